"""What is asked of PyAudio, and what its callback's status becomes; on a stand-in for the module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.portaudio import PortAudio, SoundDevice
from hw_sim.devices.alsa_fifo import SoundCards
from tests.support import require_module


class Module:
    """``pyaudio``, as far as it is used; it is its own ``PyAudio``."""

    paInt16, paContinue, paComplete, paInputOverflow = 8, 0, 1, 2

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.terminated = 0

    def PyAudio(self) -> Module:  # PyAudio's name
        return self

    def get_device_count(self) -> int:
        return 2

    def get_device_info_by_index(self, index: int) -> dict[str, Any]:
        name, inputs, outputs = [("USB Audio: - (hw:1,0)", 1, 0), ("bcm2835 Headphones", 0, 8)][index]
        return {"name": name, "maxInputChannels": inputs, "maxOutputChannels": outputs}

    def open(self, **parameters: Any) -> Module:
        self.opened.append(parameters)
        return self

    def terminate(self) -> None:
        self.terminated += 1


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Module:
    require_module("pyaudio")  # and with it libasound, which is asked before PortAudio is
    for name, value in SoundCards(tmp_path).environment.items():
        monkeypatch.setenv(name, value)
    return Module()


def test_a_microphone_is_opened_mono_and_its_overflows_are_told(module: Module) -> None:
    heard: list[tuple[bytes, bool]] = []

    def hear(data: bytes, overflowed: bool) -> bool:
        heard.append((data, overflowed))
        return len(heard) < 3

    portaudio = PortAudio(module)
    portaudio.open_input("USB Audio", 48_000, 960, hear)
    (asked,) = module.opened
    called = asked.pop("stream_callback")
    assert asked == {
        "format": module.paInt16,
        "channels": 1,
        "rate": 48_000,
        "input": True,
        "input_device_index": 0,
        "frames_per_buffer": 960,
    }
    answers = [called(b"1", 960, {}, 0), called(b"2", 960, {}, 2), called(b"3", 960, {}, 2 | 1)]
    assert heard == [(b"1", False), (b"2", True), (b"3", True)]
    assert answers == [(None, module.paContinue), (None, module.paContinue), (None, module.paComplete)]
    portaudio.close()
    assert module.terminated == 1


def test_a_loudspeaker_is_one_of_those_that_play(module: Module) -> None:
    portaudio = PortAudio(module)
    assert portaudio.devices() == [
        SoundDevice(0, "USB Audio: - (hw:1,0)", 1, 0),
        SoundDevice(1, "bcm2835 Headphones", 0, 8),
    ]
    portaudio.open_output("Headphones", 16_000, 320)
    assert module.opened[0]["output_device_index"] == 1 and module.opened[0]["frames_per_buffer"] == 320
    with pytest.raises(DeviceError, match="there are: bcm2835"):
        portaudio.open_output("USB", 16_000, 320)


def test_without_a_default_in_alsa_portaudio_is_not_even_begun(
    module: Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "other.conf"
    path.write_text("pcm.mic { type null }\n")
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(path))
    with pytest.raises(DeviceError, match=r"pcm\.default"):
        PortAudio(module).devices()
