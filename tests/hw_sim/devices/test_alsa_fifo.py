"""The simulated microphone heard through the real PyAudio, PortAudio and ALSA, by the worker's own audio thread."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Samples
from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone
from hw_sim.devices.alsa_fifo import FedMicrophone, Feeder, Plug, SoundCards
from hw_sim.devices.microphone import SimulatedMicrophone
from hw_sim.world_keys import State, initial_state
from recorder.capture.audio import AudioTrack
from recorder.capture.audio_capture import AudioCapture
from recorder.capture.packets import AudioPacket
from recorder.capture.settings import MicrophoneFaults
from tests.support import require_module

RATE, BLOCK = 48_000, 960
SETTINGS = MicrophoneFaults(zero_s=0.8, silent_below_dbfs=-94, silent_s=10, settled_s=0.4)


class Heard:
    """A worker's ears: what its audio thread delivers and reports."""

    def __init__(self, folder: Path) -> None:
        self.world: State = initial_state({"microphone.scene": "street"})
        clock = SystemClock()
        self.feeder = Feeder(SimulatedMicrophone(clock, self.world.__getitem__, lambda: True), SoundCards(folder).fifo)
        self.microphone = FedMicrophone(PyAudioMicrophone("mic", clock), self.feeder)
        self.faults: queue.SimpleQueue[tuple[str, str, dict[str, Any]]] = queue.SimpleQueue()
        self.packets: queue.SimpleQueue[AudioPacket] = queue.SimpleQueue()
        self.capture = AudioCapture(
            self.microphone,
            AudioTrack(RATE, 64_000),
            RATE,
            SETTINGS,
            clock,
            self.packets.put,
            lambda *fault: self.faults.put(fault),
        )

    def fault(self) -> tuple[str, str, dict[str, Any]]:
        return self.faults.get(timeout=30)


@pytest.fixture
def heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    require_module("pyaudio")
    made = Heard(tmp_path)
    for name, value in SoundCards(tmp_path).environment.items():  # read by the C libraries
        monkeypatch.setenv(name, value)
    yield made
    made.world["microphone.failure"] = "ok"
    assert made.capture.stop(10)
    made.microphone.end()


def test_what_the_world_sounds_like_is_what_the_driver_reads(heard: Heard) -> None:
    heard.microphone.open(RATE, BLOCK)
    samples: list[Samples] = []
    while len(samples) < 20:
        block = heard.microphone.read(10)
        assert block is not None
        samples.append(block.samples)
    sound = np.concatenate(samples)
    assert np.abs(sound.astype(np.int32)).max() > 1000
    assert heard.feeder.lost == 0
    heard.capture.start()  # for the end of the test; it opens anew


def test_a_stall_is_a_fault_from_onset_to_end_and_sound_comes_again(heard: Heard) -> None:
    heard.capture.start()
    heard.packets.get(timeout=30)
    heard.world["microphone.failure"] = "stuck"
    assert heard.fault()[:2] == ("microphone-stall", "onset")
    heard.world["microphone.failure"] = "ok"
    code, edge, evidence = heard.fault()
    assert (code, edge) == ("microphone-stall", "end")
    assert evidence["missing_us"] > 0


def test_unplugged_and_plugged_in_again(heard: Heard) -> None:
    heard.capture.start()
    heard.packets.get(timeout=30)
    heard.world["microphone.failure"] = "off"
    assert heard.fault()[:2] == ("microphone-stall", "onset")
    code, edge, evidence = heard.fault()
    assert (code, edge) == ("microphone-unplugged", "onset")
    assert "no more sound" in evidence["error"]
    heard.world["microphone.failure"] = "ok"
    ends = {heard.fault()[:2] for _ in range(2)}
    assert ends == {("microphone-unplugged", "end"), ("microphone-stall", "end")}


def test_what_nobody_reads_is_lost_and_counted(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "fifo")
    block = bytes(2 * BLOCK)
    written = 0
    while plug.write(block):
        written += 1
    assert written * len(block) >= plug.waiting() > 32_768
    plug.forget()
    assert plug.waiting() == 0 and plug.write(block)
    plug.pull()
    assert not (tmp_path / "fifo").exists()
    with pytest.raises(ValueError, match="5000 bytes"):
        plug.write(bytes(5000))
    plug.close()
