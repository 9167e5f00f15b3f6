"""``ports.Speaker`` through PyAudio, PortAudio and ALSA: its own thread opens a device that is back again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from firmware_bridge.ports import Clock, DeviceError, Sound
from firmware_bridge.raspberry_pi.portaudio import PortAudio, device_error, keep_periods

LOG = logging.getLogger(__name__)

CHUNK_S: Final = 0.02
"""Written at once; :meth:`PyAudioSpeaker.stop` is heard within this and the device's own buffer."""

DEVICE_PERIODS: Final = 8
"""Chunks in the device's own buffer: what a busy processor may be late without a click."""

LONGEST_QUEUE_S: Final = 60.0
"""A device that takes nothing must not fill the memory."""

HUNG_US: Final = 700_000
"""A write that takes longer: the device hangs. Its buffer is :data:`DEVICE_PERIODS` chunks, so no write of one takes so
long otherwise."""

OPEN_HUNG_US: Final = 5_000_000
"""An opening that takes longer: the device hangs. PortAudio looks at every device ALSA names, which takes its time."""

FINISH_HUNG_US: Final = round((2 * DEVICE_PERIODS + 1) * CHUNK_S * 1_000_000) + HUNG_US
"""A finish that takes longer: the device hangs. It waits for a full buffer and for the silence written behind that."""

RETRY_S: Final = 2.0
"""Pause between attempts to open a device that is gone."""

CLOSE_S: Final = 2.0
"""How long :meth:`PyAudioSpeaker.close` waits for the thread; a hung driver is left behind (it is a daemon thread)."""


class Stream(Protocol):
    def write(self, data: bytes) -> None:
        """Blocks until the device has taken it. Raises OSError."""

    def finish(self, heard: bool) -> None:
        """Close; with ``heard`` not before what was written has been heard. Raises OSError."""


OpenStream = Callable[[str, int], Stream]
"""``open_stream(device name, samples a second)``: mono 16-bit. Raises OSError, ImportError, DeviceError."""


class PyAudioSpeaker:
    """``device``: PortAudio's name of it, or a part that only one device has (``spk``, ``USB Audio``, ``hw:1,0``).

    :meth:`play` raises DeviceError while the device is known to be gone, which is tried again every two seconds, or hangs.
    What was being played then is over: :meth:`playing` is False.
    """

    def __init__(
        self, device: str, clock: Clock, open_stream: OpenStream | None = None, retry_s: float = RETRY_S
    ) -> None:
        self._device = device
        self._clock = clock
        self._hung_from_us: int | None = None
        """When the call the thread is in has taken too long; None outside of one."""
        self._open_stream = open_stream or open_pyaudio
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._queue: deque[tuple[bytes, int]] = deque()
        self._busy = False
        self._stopped = False
        self._closing = False
        self._failure: DeviceError | None = None
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def play(self, samples: Sound, rate: int) -> None:
        with self._changed:
            if (failure := self._failing()) is not None:
                raise failure
            if sum(len(data) / 2 / rate for data, rate in self._queue) > LONGEST_QUEUE_S:
                raise DeviceError("speaker", "声卡停滞，不再接受声音 the device hangs, no more is queued")
            self._queue.append((samples.tobytes(), rate))
            self._stopped = False
            self._changed.notify_all()

    def playing(self) -> bool:
        with self._changed:
            return (self._busy or bool(self._queue)) and self._failing() is None

    def stop(self) -> None:
        with self._changed:
            self._queue.clear()
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """The thread ends and the device is free again."""
        with self._changed:
            self._queue.clear()
            self._closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_S)

    def failure(self) -> DeviceError | None:
        with self._changed:
            return self._failing()

    def _failing(self) -> DeviceError | None:
        if self._hung_from_us is not None and self._clock.boottime_us() > self._hung_from_us:
            return DeviceError("speaker", f"{self._device}: 驱动无响应 the driver hangs")
        return self._failure

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._play_all()
            except (OSError, ImportError, DeviceError) as error:
                self._failed(error)
                self._wait_for_device()
            except Exception as error:
                # A thread that ended would be busy for ever: every later prompt silent, and no fault.
                LOG.exception("speaker")
                self._failed(DeviceError("speaker", f"{type(error).__name__}: {error}"))
                self._wait_for_device()

    def _wait_for_work(self) -> bool:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._queue or self._closing)
            self._busy = not self._closing
            return self._busy

    def _play_all(self) -> None:
        """One stream for all that is queued at one rate, so that pieces follow each other without a click."""
        with self._changed:
            if not self._queue:
                return
            rate = self._queue[0][1]
        with self._within(OPEN_HUNG_US):
            stream = self._open_stream(self._device, rate)
        heard = False
        try:
            while (chunk := self._next_chunk(rate)) is not None:
                with self._within(HUNG_US):
                    stream.write(chunk)
            heard = not self._silenced()
        finally:
            with self._within(FINISH_HUNG_US):
                stream.finish(heard)

    @contextmanager
    def _within(self, limit_us: int) -> Iterator[None]:
        """A call into the driver. While it takes longer than ``limit_us``, the loudspeaker has failed."""
        with self._changed:
            self._hung_from_us = self._clock.boottime_us() + limit_us
        try:
            yield
        finally:
            with self._changed:
                if self._failing() is not None:
                    self._queue.clear()  # what could not be played is not played late
                self._hung_from_us = None

    def _silenced(self) -> bool:
        with self._changed:
            return self._stopped or self._closing

    def _next_chunk(self, rate: int) -> bytes | None:
        with self._changed:
            if not self._queue or self._queue[0][1] != rate:
                return None
            data, _ = self._queue.popleft()
            size = 2 * max(1, round(rate * CHUNK_S))
            if len(data) > size:
                self._queue.appendleft((data[size:], rate))
            return data[:size]

    def _failed(self, error: Exception) -> None:
        failure = device_error("speaker", error)
        LOG.warning("扬声器不可用 loudspeaker not available: %s", failure)
        with self._changed:
            self._failure = failure
            self._queue.clear()
            self._busy = False
            self._changed.notify_all()

    def _wait_for_device(self) -> None:
        """Until the device opens again, or the end."""
        while True:
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, self._retry_s):
                    return
            try:
                self._open_stream(self._device, 16_000).finish(heard=False)
            except Exception:  # whatever it is: tried again
                LOG.debug("speaker: still not available", exc_info=True)
                continue
            with self._changed:
                self._failure = None
            return


class _PyAudioOutput:
    def __init__(self, device: str, rate: int) -> None:
        keep_periods(DEVICE_PERIODS)
        self._portaudio = PortAudio()
        self._chunk = round(rate * CHUNK_S)
        try:
            self._stream = self._portaudio.open_output(device, rate, self._chunk)
        except BaseException:
            self._portaudio.close()
            raise

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def finish(self, heard: bool) -> None:
        try:
            if heard:
                # PortAudio stops by snd_pcm_drop, which forgets what the device's buffer still holds (AlsaStop, "drain
                # tends to lock up"): so silence is written until all before it has left the buffer.
                for _ in range(DEVICE_PERIODS + 1):
                    self._stream.write(bytes(2 * self._chunk))
        finally:
            self._portaudio.close(self._stream)


def open_pyaudio(device: str, rate: int) -> Stream:
    return _PyAudioOutput(device, rate)
