"""``ports.Speaker`` through PyAudio, PortAudio and ALSA: a thread of its own, which opens the device again when it is back.

PortAudio 19.6 (Debian 12) ends the whole process with an assertion when ALSA's configuration has devices but neither a
``default`` nor a ``dmix`` (``pa_linux_alsa.c``, ``BuildDeviceList``; reproduced): a private ``asound.conf`` must define
``pcm.default``, as the distribution's own does.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from firmware_bridge.ports import DeviceError, Sound

LOG = logging.getLogger(__name__)

CHUNK_S: Final = 0.02
"""Written at once; :meth:`PyAudioSpeaker.stop` is heard within this and the device's own buffer."""

LONGEST_QUEUE_S: Final = 60.0
"""A device that takes nothing must not fill the memory."""

RETRY_S: Final = 2.0
"""Pause between attempts to open a device that is gone."""

CLOSE_S: Final = 2.0
"""How long :meth:`PyAudioSpeaker.close` waits for the thread; a hung driver is left behind (it is a daemon thread)."""


class Stream(Protocol):
    def write(self, data: bytes) -> None:
        """Blocks until the device has taken it. Raises OSError."""

    def finish(self) -> None:
        """Wait for what was written to be heard, close. Raises OSError."""


OpenStream = Callable[[str, int], Stream]
"""``open_stream(device name, samples a second)``: mono 16-bit. Raises OSError, ImportError, DeviceError."""


class PyAudioSpeaker:
    """``device``: PortAudio's name of it, or a part that only one device has (``spk``, ``USB Audio``, ``hw:1,0``).

    :meth:`play` raises DeviceError while the device is known to be gone; it is tried again every two seconds.
    """

    def __init__(self, device: str, open_stream: OpenStream | None = None, retry_s: float = RETRY_S) -> None:
        self._device = device
        self._open_stream = open_stream or open_pyaudio
        self._retry_s = retry_s
        self._changed = threading.Condition()
        self._queue: deque[tuple[bytes, int]] = deque()
        self._busy = False
        self._closing = False
        self._failure: DeviceError | None = None
        self._thread = threading.Thread(target=self._run, name="speaker", daemon=True)
        self._thread.start()

    def play(self, samples: Sound, rate: int) -> None:
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if sum(len(data) / 2 / rate for data, rate in self._queue) > LONGEST_QUEUE_S:
                raise DeviceError("speaker", "声卡停滞，不再接受声音 the device hangs, no more is queued")
            self._queue.append((samples.tobytes(), rate))
            self._changed.notify_all()

    def playing(self) -> bool:
        with self._changed:
            return self._busy or bool(self._queue)

    def stop(self) -> None:
        with self._changed:
            self._queue.clear()
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
            return self._failure

    # --- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while self._wait_for_work():
            try:
                self._play_all()
            except (OSError, ImportError, DeviceError) as error:
                self._failed(error)
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
        stream = self._open_stream(self._device, rate)
        try:
            while (chunk := self._next_chunk(rate)) is not None:
                stream.write(chunk)
        finally:
            stream.finish()

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
        failure = error if isinstance(error, DeviceError) else _device_error(error)
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
                self._open_stream(self._device, 16_000).finish()
            except (OSError, ImportError, DeviceError) as error:
                LOG.debug("speaker: %s", error)
                continue
            with self._changed:
                self._failure = None
            return


def _device_error(error: Exception) -> DeviceError:
    if isinstance(error, ImportError):
        return DeviceError("speaker", f"没有 PyAudio，请安装 PyAudio is not installed: {error}")
    return DeviceError("speaker", str(error), error.errno if isinstance(error, OSError) else None)


class _PyAudioStream:
    def __init__(self, library: Any, stream: Any) -> None:
        self._library = library
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def finish(self) -> None:
        try:
            self._stream.stop_stream()
            self._stream.close()
        finally:
            self._library.terminate()


def open_pyaudio(device: str, rate: int) -> Stream:
    """A new PortAudio each time: its list of devices is made when it starts, and a plug may have been put in since."""
    pyaudio: Any = importlib.import_module("pyaudio")  # compiled, and not on every machine
    library = pyaudio.PyAudio()
    try:
        index = find_device(device, [_info(library, i) for i in range(library.get_device_count())])
        stream = library.open(
            format=pyaudio.paInt16,
            channels=1,
            rate=rate,
            output=True,
            output_device_index=index,
            frames_per_buffer=round(rate * CHUNK_S),
        )
    except BaseException:
        library.terminate()
        raise
    return _PyAudioStream(library, stream)


def _info(library: Any, index: int) -> tuple[str, int]:
    info = library.get_device_info_by_index(index)
    return str(info["name"]), int(info["maxOutputChannels"])


def find_device(wanted: str, devices: list[tuple[str, int]]) -> int:
    """Index of the device of that name, or of the only one whose name contains it. ``devices``: name and number of output
    channels. Raises DeviceError naming what there is."""
    usable = [(index, name) for index, (name, channels) in enumerate(devices) if channels > 0]
    exact = [index for index, name in usable if name == wanted]
    partial = [index for index, name in usable if wanted in name]
    found = exact[:1] or (partial if len(partial) == 1 else [])
    if not found:
        there = ", ".join(name for _, name in usable) or "—"
        raise DeviceError(
            "speaker", f"{wanted!r}: 没有这个声卡或者不唯一 no such device, or several. 现有 there are: {there}"
        )
    return found[0]
