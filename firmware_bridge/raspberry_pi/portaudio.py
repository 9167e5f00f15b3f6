"""PortAudio through PyAudio, for microphone and loudspeaker alike: started safely, devices by name, streams.

Chosen once for both, by what PortAudio reads from the environment (a value that is set stays): ``PA_ALSA_PLUGHW=1``, so
that a sound card is opened through ALSA's own conversions and takes any rate and number of channels (a card with stereo
only gives both channels mixed down); ``JACK_NO_START_SERVER=1``, so that no JACK server is started.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi import alsa

LOG = logging.getLogger(__name__)

Heard = Callable[[bytes, bool], bool]
"""``heard(samples, overflowed)``: mono 16-bit in the machine's byte order; ``overflowed``: sound was lost before them.
False when no more is wanted; the stream has still to be closed."""


@dataclass(frozen=True, slots=True)
class SoundDevice:
    """As PortAudio lists it: ``inputs`` and ``outputs`` in channels."""

    index: int
    name: str
    inputs: int
    outputs: int


_ONE_AT_A_TIME: Final = threading.Lock()
"""PortAudio's own lists are without locks, and its end frees ALSA's configuration under whoever else is starting."""


class PortAudio:
    """Started anew each time: its list of devices is made when it starts, and a plug may have been put in since.
    ``pyaudio``: the module, or what stands in for it.

    Raises ImportError without PyAudio, DeviceError for an ALSA configuration that PortAudio does not survive, OSError.
    """

    def __init__(self, pyaudio: Any = None) -> None:
        os.environ.setdefault("PA_ALSA_PLUGHW", "1")
        os.environ.setdefault("JACK_NO_START_SERVER", "1")
        self._pyaudio = pyaudio or importlib.import_module("pyaudio")  # compiled, and not on every machine
        with _ONE_AT_A_TIME:
            alsa.route_messages()
            alsa.check_configuration()
            self._library = self._pyaudio.PyAudio()

    def devices(self) -> list[SoundDevice]:
        found = []
        for index in range(self._library.get_device_count()):
            info = self._library.get_device_info_by_index(index)
            found.append(
                SoundDevice(index, str(info["name"]), int(info["maxInputChannels"]), int(info["maxOutputChannels"]))
            )
        return found

    def open_input(self, device: str, rate: int, block: int, heard: Heard, *, buffer_s: float | None = None) -> Any:
        """A running mono stream. ``heard`` is called on a thread of PortAudio's with every ``block`` samples and must
        only enqueue. ``buffer_s``: what the device itself is to keep; None: as little as PortAudio likes. Raises OSError,
        DeviceError."""
        overflow = self._pyaudio.paInputOverflow
        proceed, enough = (None, self._pyaudio.paContinue), (None, self._pyaudio.paComplete)

        def called(data: bytes, count: int, times: object, status: int) -> tuple[None, int]:
            del count, times
            return proceed if heard(data, bool(status & overflow)) else enough

        index = find_device(device, self.devices(), "microphone").index
        if buffer_s is not None:
            keep_periods(math.ceil(buffer_s * rate / block) + 2)  # with fewer PortAudio makes the blocks larger instead
            ask_for_input_buffer(index, buffer_s)
        return self._open(
            rate=rate,
            input=True,
            input_device_index=index,
            frames_per_buffer=block,
            stream_callback=called,
        )

    def open_output(self, device: str, rate: int, block: int) -> Any:
        """A mono stream to be written to. Raises OSError, DeviceError."""
        index = find_device(device, self.devices(), "speaker").index
        return self._open(rate=rate, output=True, output_device_index=index, frames_per_buffer=block)

    def close(self, stream: Any = None) -> None:
        """``stream`` first. Raises OSError; the library is free all the same."""
        with _ONE_AT_A_TIME:
            try:
                if stream is not None:
                    stream.close()
            finally:
                self._library.terminate()

    def _open(self, **parameters: Any) -> Any:
        with _ONE_AT_A_TIME:
            return self._library.open(format=self._pyaudio.paInt16, channels=1, **parameters)


def keep_periods(count: int) -> None:
    """Into how many blocks at most a device's buffer is divided, for streams opened from now on (``pa_linux_alsa.h``);
    PyAudio does not pass this on. It does not make the buffer larger: see :func:`ask_for_input_buffer`."""
    library = _portaudio()
    if library is not None:
        library.PaAlsa_SetNumPeriods(count)


class _DeviceInfo(ctypes.Structure):
    """``PaDeviceInfo`` of ``portaudio.h``, structVersion 2."""

    _fields_ = (
        ("structVersion", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("hostApi", ctypes.c_int),
        ("maxInputChannels", ctypes.c_int),
        ("maxOutputChannels", ctypes.c_int),
        ("defaultLowInputLatency", ctypes.c_double),
        ("defaultLowOutputLatency", ctypes.c_double),
        ("defaultHighInputLatency", ctypes.c_double),
        ("defaultHighOutputLatency", ctypes.c_double),
        ("defaultSampleRate", ctypes.c_double),
    )


_DEVICE_INFO_VERSION: Final = 2


def ask_for_input_buffer(index: int, seconds: float) -> None:
    """The device's own buffer is to hold so much, for streams opened from now on until PortAudio ends.

    PortAudio asks ALSA for ``suggestedLatency`` and one block (``pa_linux_alsa.c``, ``FinishConfigure``), and PyAudio
    always suggests the device's ``defaultLowInputLatency``: two blocks of 20 ms with a loopback card, and a reader that is
    later than that loses sound. PyAudio has no parameter for it, so the default is written where PortAudio keeps it. It
    delays nothing: PortAudio still calls back with every block.
    """
    library = _portaudio()
    if library is None:
        return
    library.Pa_GetDeviceInfo.restype = ctypes.POINTER(_DeviceInfo)
    info = library.Pa_GetDeviceInfo(index)
    if not info or info.contents.structVersion != _DEVICE_INFO_VERSION:
        LOG.warning("无法加大声卡缓冲 the sound device's buffer stays small: PaDeviceInfo %d", index)
        return
    info.contents.defaultLowInputLatency = seconds


def _portaudio() -> Any:
    """The library that PyAudio has loaded, or None, which the log tells."""
    try:
        return ctypes.CDLL("libportaudio.so.2")
    except OSError as error:
        LOG.warning("无法加大声卡缓冲 the sound device's buffer stays small: %s", error)
        return None


def find_device(wanted: str, devices: list[SoundDevice], kind: Literal["microphone", "speaker"]) -> SoundDevice:
    """The device of that name, or the only one whose name contains it. Raises DeviceError naming what there is."""
    usable = [device for device in devices if (device.inputs if kind == "microphone" else device.outputs) > 0]
    exact = [device for device in usable if device.name == wanted]
    partial = [device for device in usable if wanted in device.name]
    found = exact[:1] or (partial if len(partial) == 1 else [])
    if not found:
        there = ", ".join(device.name for device in usable) or "—"
        raise DeviceError(
            kind, f"{wanted!r}: 没有这个声卡或者不唯一 no such device, or several. 现有 there are: {there}"
        )
    return found[0]


def device_error(kind: str, error: Exception) -> DeviceError:
    """What opening, reading or writing raised, as a DeviceError of ``kind`` (``microphone``, ``speaker``)."""
    if isinstance(error, DeviceError):
        return error
    if isinstance(error, ImportError):
        return DeviceError(kind, f"没有 PyAudio，请安装 PyAudio is not installed: {error}")
    number = error.errno if isinstance(error, OSError) else None
    return DeviceError(kind, str(error), number)
