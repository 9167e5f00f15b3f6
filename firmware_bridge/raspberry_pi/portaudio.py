"""PortAudio through PyAudio, for microphone and loudspeaker alike: started safely, devices by name, streams.

Chosen once for both, by what PortAudio reads from the environment (a value that is set stays): ``PA_ALSA_PLUGHW=1``, so
that a sound card is opened through ALSA's own conversions and takes any rate and number of channels (a card with stereo
only gives both channels mixed down); ``JACK_NO_START_SERVER=1``, so that no JACK server is started.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
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

    def open_input(self, device: str, rate: int, block: int, heard: Heard) -> Any:
        """A running mono stream. ``heard`` is called on a thread of PortAudio's with every ``block`` samples and must
        only enqueue. Raises OSError, DeviceError."""
        overflow = self._pyaudio.paInputOverflow
        proceed, enough = (None, self._pyaudio.paContinue), (None, self._pyaudio.paComplete)

        def called(data: bytes, count: int, times: object, status: int) -> tuple[None, int]:
            del count, times
            return proceed if heard(data, bool(status & overflow)) else enough

        return self._open(
            rate=rate,
            input=True,
            input_device_index=find_device(device, self.devices(), "microphone").index,
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
    """How many blocks the device's own buffer holds, for streams opened from now on: PortAudio asks for 4, and a reader
    that is later than that loses sound. PyAudio does not pass this on (``pa_linux_alsa.h``)."""
    try:
        library = ctypes.CDLL("libportaudio.so.2")
    except OSError as error:
        LOG.warning("无法加大声卡缓冲 the sound device's buffer stays small: %s", error)
        return
    library.PaAlsa_SetNumPeriods(count)


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
