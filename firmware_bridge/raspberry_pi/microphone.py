"""``ports.Microphone`` through PyAudio, PortAudio and ALSA.

PortAudio calls back, on a thread of its own, with every block. Reading by ``stream.read`` would be simpler and loses two
things: PyAudio says nothing of an overflow there (with ``exception_on_overflow=False`` it drops the news, with ``True``
it closes the stream, ``stream_io.c``), and a device that delivers nothing any more keeps ``Pa_ReadStream`` for good,
while a stream with a callback can be aborted (``pa_linux_alsa.c``, ``RealStop``).

Nothing here waits for the device without a bound. A thread per opening opens the stream, looks whether it still runs, and
closes it; one that hangs in the driver is left behind, and until it returns the device counts as gone.
"""

from __future__ import annotations

import dataclasses
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from firmware_bridge.ports import AudioBlock, Clock, DeviceError
from firmware_bridge.raspberry_pi.portaudio import Heard, PortAudio, device_error

LOG = logging.getLogger(__name__)

OPEN_S: Final = 0.4
"""How long :meth:`PyAudioMicrophone.open` waits; a device that takes longer is opened while ``read`` returns None."""

CLOSE_S: Final = 0.3
"""How long :meth:`PyAudioMicrophone.close` waits for the driver."""

HUNG_US: Final = 2_000_000
"""Nothing heard for so long: the device is to be opened anew."""

OPENING_US: Final = 5_000_000
"""The same while it is being opened: PortAudio tries every device there is."""

KEPT_S: Final = 2.0
"""What is kept for a reader that is late. What is older is dropped, and the block after it says so."""

DEVICE_BUFFER_S: Final = 0.5
"""What the device itself keeps while this process has no time for the callback."""

_LOOK_S: Final = 0.25


class InputStream(Protocol):
    def is_active(self) -> bool:
        """False when it ended by itself, because the device is gone. Raises OSError."""

    def close(self) -> None:
        """No callback after it. May hang. Raises OSError."""


OpenInput = Callable[[str, int, int, Heard], InputStream]
"""``open_input(device name, samples a second, samples a block, heard)``. Raises OSError, ImportError, DeviceError."""


class PyAudioMicrophone:
    """``device``: PortAudio's name of it, or a part that only one device has (``mic``, ``USB Audio``, ``hw:1,0``).
    ``latency_us``: how much later than the sound itself the device delivers, to be taken off every stamp."""

    def __init__(self, device: str, clock: Clock, *, latency_us: int = 0, open_input: OpenInput | None = None) -> None:
        self._device = device
        self._clock = clock
        self._latency_us = latency_us
        self._open_input = open_input or open_pyaudio
        self._opening: _Opening | None = None
        self._left: _Opening | None = None

    def open(self, rate: int, block: int) -> None:
        self.close()
        if self._left is not None and not self._left.ended():
            raise DeviceError(
                "microphone", f"{self._device}: 驱动无响应，尚未关闭 the driver hangs and has not closed yet"
            )
        self._left = None
        opening = _Opening(self._device, rate, block, self._open_input, self._clock, self._latency_us)
        self._opening = opening
        if (failure := opening.wait_open(OPEN_S)) is not None:
            self.close()
            raise failure

    def read(self, timeout_s: float) -> AudioBlock | None:
        if self._opening is None:
            raise DeviceError("microphone", "未打开 not open")
        return self._opening.read(timeout_s)

    def close(self) -> None:
        """The device is free again, unless its driver hangs: then it is left to close when it comes back."""
        opening, self._opening = self._opening, None
        if opening is not None and not opening.close(CLOSE_S):
            LOG.warning("%s: 驱动无响应，留待其自行关闭 the driver hangs, left to close by itself", self._device)
            self._left = opening


class _Opening:
    """The device from one opening to its closing."""

    def __init__(
        self, device: str, rate: int, block: int, open_input: OpenInput, clock: Clock, latency_us: int
    ) -> None:
        self._device = device
        self._rate = rate
        self._block = block
        self._open_input = open_input
        self._clock = clock
        self._latency_us = latency_us
        self._changed = threading.Condition()
        self._blocks: deque[AudioBlock] = deque()
        self._most = max(2, round(KEPT_S * rate / block))
        self._open = self._closing = False
        self._failure: DeviceError | None = None
        self._alive_us = clock.boottime_us()
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)
        self._thread.start()

    def wait_open(self, timeout_s: float) -> DeviceError | None:
        with self._changed:
            self._changed.wait_for(lambda: self._open or self._failure is not None, timeout_s)
            return self._failure

    def read(self, timeout_s: float) -> AudioBlock | None:
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._failure is not None, timeout_s)
            if self._blocks:
                return self._blocks.popleft()
            if self._failure is not None:
                raise self._failure
            silent_us = self._clock.boottime_us() - self._alive_us
            if silent_us > (HUNG_US if self._open else OPENING_US):
                what = "不再送来声音 no more sound" if self._open else "打不开 does not open"
                raise DeviceError("microphone", f"{self._device}: {what} ({silent_us / 1e6:.1f} s)")
            return None

    def close(self, timeout_s: float) -> bool:
        """False when the driver still has the thread after ``timeout_s``."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return self.ended()

    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _heard(self, data: bytes, overflowed: bool) -> bool:
        """On PortAudio's thread. What is raised here PyAudio would raise again in the main thread, wherever that is."""
        try:
            read_at_us = self._clock.boottime_us()
            samples = np.frombuffer(data, np.int16)
            with self._changed:
                if self._closing:
                    return False
                self._blocks.append(AudioBlock(samples, read_at_us - self._latency_us, overflowed))
                if len(self._blocks) > self._most:
                    self._blocks.popleft()
                    self._blocks[0] = dataclasses.replace(self._blocks[0], overflowed=True)
                self._alive_us = read_at_us
                self._changed.notify_all()
        except Exception as error:  # see above
            LOG.exception("microphone callback failed 麦克风回调出错")
            self._fail(DeviceError("microphone", f"{self._device}: {type(error).__name__}: {error}"))
            return False
        return True

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            stream = self._open_input(self._device, self._rate, self._block, self._heard)
        except (OSError, ImportError, DeviceError) as error:
            self._fail(device_error("microphone", error))
            return
        try:
            self._watch(stream)
        except OSError as error:
            self._fail(device_error("microphone", error))
        try:
            stream.close()
        except OSError as error:  # a device that is gone may refuse even that
            LOG.info("%s: %s", self._device, error)

    def _watch(self, stream: InputStream) -> None:
        with self._changed:
            self._open = True
            self._alive_us = self._clock.boottime_us()
            self._changed.notify_all()
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, _LOOK_S):
                    return
            if not stream.is_active():
                self._fail(DeviceError("microphone", f"{self._device}: 设备已断开 the device is gone"))
                return

    def _fail(self, failure: DeviceError) -> None:
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()


class _PyAudioInput:
    def __init__(self, device: str, rate: int, block: int, heard: Heard) -> None:
        self._portaudio = PortAudio()
        try:
            self._stream = self._portaudio.open_input(device, rate, block, heard, buffer_s=DEVICE_BUFFER_S)
        except BaseException:
            self._portaudio.close()
            raise
        if self.buffer_s < DEVICE_BUFFER_S / 2:  # a device may have less
            LOG.warning("%s: 声卡缓冲只有 the device keeps only %.3f s", device, self.buffer_s)

    @property
    def buffer_s(self) -> float:
        """What the device keeps besides the block it is filling, as ALSA granted it."""
        return float(self._stream.get_input_latency())

    def is_active(self) -> bool:
        return bool(self._stream.is_active())

    def close(self) -> None:
        self._portaudio.close(self._stream)


def open_pyaudio(device: str, rate: int, block: int, heard: Heard) -> _PyAudioInput:
    return _PyAudioInput(device, rate, block, heard)
