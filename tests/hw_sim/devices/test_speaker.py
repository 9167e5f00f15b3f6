"""What the simulated loudspeaker plays is a file and an event of the world."""

from __future__ import annotations

import wave
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.ports import DeviceError
from hw_sim import board as hw_board
from hw_sim.devices.speaker import SimulatedSpeaker
from hw_sim.world import World
from hw_sim.world_keys import Value
from tests.firmware_bridge.manual_clock import ManualClock
from tests.hw_sim.test_board import until

RATE = 16_000
SECOND = array("h", range(RATE))


class Told:
    """A world that only listens."""

    def __init__(self) -> None:
        self.alive = True
        self.state: dict[str, Value] = {"speaker.failure": "ok"}
        self.played: list[tuple[str, int, int]] = []
        self.stopped: list[int] = []

    def connected(self) -> bool:
        return self.alive

    def get(self, key: str) -> Value:
        return self.state[key]

    def report_speaker(self, wav: str, at_us: int, duration_us: int) -> None:
        self.played.append((wav, at_us, duration_us))

    def report_speaker_stop(self, at_us: int) -> None:
        self.stopped.append(at_us)


def read(path: str | Path) -> tuple[int, list[int]]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), "<i2").tolist()


def test_pieces_sound_in_order_and_are_kept(tmp_path: Path) -> None:
    clock, told = ManualClock(), Told()
    speaker = SimulatedSpeaker(clock, told, lambda: tmp_path / "out")
    speaker.play(SECOND, RATE)
    speaker.play(SECOND[:8000], RATE)
    begin = clock.boottime_us()
    assert [(at_us - begin, duration) for _, at_us, duration in told.played] == [(0, 1_000_000), (1_000_000, 500_000)]
    assert read(told.played[0][0]) == (RATE, SECOND.tolist())
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert speaker.playing()
    clock.now_us += 1_499_999
    assert speaker.playing()
    clock.now_us += 1
    assert not speaker.playing()
    speaker.stop()
    assert told.stopped == []


def test_stopping_is_told_once(tmp_path: Path) -> None:
    clock, told = ManualClock(), Told()
    speaker = SimulatedSpeaker(clock, told, lambda: tmp_path)
    speaker.play(SECOND, RATE)
    clock.now_us += 200_000
    speaker.stop()
    speaker.stop()
    assert told.stopped == [clock.boottime_us()]
    assert not speaker.playing()


def test_unplugged_or_without_a_world_or_a_disk_it_refuses(tmp_path: Path) -> None:
    clock, told = ManualClock(), Told()
    speaker = SimulatedSpeaker(clock, told, lambda: tmp_path)
    speaker.play(SECOND, RATE)
    told.state["speaker.failure"] = "off"
    assert not speaker.playing() and speaker.failure() is not None
    with pytest.raises(DeviceError, match="speaker"):
        speaker.play(SECOND, RATE)
    told.state["speaker.failure"] = "ok"
    assert speaker.failure() is None
    told.alive = False
    assert speaker.failure() is not None
    with pytest.raises(DeviceError, match="speaker"):
        speaker.play(SECOND, RATE)
    told.alive = True
    (tmp_path / "file").touch()
    with pytest.raises(DeviceError, match="file"):
        SimulatedSpeaker(clock, told, lambda: tmp_path / "file").play(SECOND, RATE)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World({"speaker.folder": str(tmp_path / "kept")}, tmp_path / "w") as world:
        yield world


def test_the_world_knows_what_was_played_when(world: World, tmp_path: Path) -> None:
    board = hw_board.unit_board({"world": str(tmp_path / "w")})
    assert board.speaker is not None
    before = board.clock.boottime_us()
    board.speaker.play(SECOND, RATE)
    event = world.wait_for_speaker(5)
    assert event is not None
    assert before <= event.at_us <= board.clock.boottime_us()
    assert (event.duration_us, event.boot_id) == (1_000_000, board.clock.boot_id())
    assert Path(event.wav).parent == tmp_path / "kept"
    assert read(event.wav) == (RATE, SECOND.tolist())
    board.speaker.stop()
    until(lambda: world.speaker_events()[0].duration_us < 1_000_000)
    assert world.speaker_events()[0].at_us == event.at_us
    board.close()


def test_a_power_cut_silences_what_was_still_to_come(world: World, tmp_path: Path) -> None:
    board = hw_board.unit_board({"world": str(tmp_path / "w")})
    assert board.speaker is not None
    long = array("h", bytes(120 * RATE))
    board.speaker.play(long, RATE)
    board.speaker.play(SECOND, RATE)
    assert world.wait_for_speaker(5, after=1) is not None
    world.new_boot()
    first, second = world.speaker_events()
    assert first.duration_us < 60_000_000
    assert second.duration_us == 0
    board.close()
