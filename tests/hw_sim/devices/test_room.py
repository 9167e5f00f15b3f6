"""Sounds placed in the simulated air: at their moment, at their loudness, on a drifting clock too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_bridge.ports import Samples
from hw_sim.devices.microphone import BURST_BLOCKS
from hw_sim.devices.room import PlacedSound, Room, from_text, to_text
from hw_sim.devices.sound import Quiet, Street, Times
from hw_sim.world_keys import Value, initial_state
from tests.firmware_bridge.manual_clock import ManualClock
from tests.hw_sim.devices.test_microphone import BLOCK, RATE, microphone, read, write_wav


class Nothing:
    def at(self, times_s: Times, first_index: int) -> Samples:
        return np.zeros(times_s.size, np.int16)


CLICKS: Samples = np.zeros(RATE, np.int16)
CLICKS[[0, 8_000, 15_999]] = 10_000


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.wav"
    write_wav(path, CLICKS)
    return path


def hear(sounds: list[PlacedSound], begin_s: float, seconds: float, scene: Nothing | Quiet | None = None) -> Samples:
    text: dict[str, Value] = {"sounds": to_text(sounds)}
    room = Room(scene or Nothing(), RATE, text.__getitem__)
    blocks = [
        room.at(begin_s + np.arange(first, first + BLOCK) / RATE, first)
        for first in range(0, round(seconds * RATE), BLOCK)
    ]
    return np.concatenate(blocks)


def test_a_sound_is_heard_at_its_boot_time(clicks: Path) -> None:
    heard = hear([PlacedSound(str(clicks), 101_500_000, 1_000_000)], 100.0, 4)
    assert np.flatnonzero(heard).tolist() == [24_000, 32_000, 39_999]
    assert heard.max() == 10_000


@pytest.mark.parametrize("at_us", [100_000_000, 100_260_007, 99_500_000])
def test_piece_by_piece_it_sounds_as_the_whole_file_does(tmp_path: Path, at_us: int) -> None:
    """From before its beginning, or from its middle, until after its end, between two samples, too."""
    noise: Samples = np.random.default_rng(3).integers(-9_000, 9_000, RATE, dtype=np.int16)
    path = tmp_path / "noise.wav"
    write_wav(path, noise)
    times = 100 + np.arange(2 * RATE) / RATE
    position = (times - at_us / 1e6) * RATE
    whole = np.interp(position, np.arange(RATE), noise, left=0.0, right=0.0)
    whole[np.abs(position - (RATE - 1)) < 1e-3] = noise[-1]  # float dust must not end it a sample early
    whole[np.abs(position) < 1e-3] = noise[0]
    heard = hear([PlacedSound(str(path), at_us, 1_000_000)], 100.0, 2)
    assert np.abs(heard).max() > 8_000
    assert np.abs(heard - whole).max() <= 10, "rounding, and float dust of a thousandth of a sample"


def test_what_was_cut_is_heard_until_then(clicks: Path) -> None:
    assert np.flatnonzero(hear([PlacedSound(str(clicks), 0, 500_001)], 0.0, 1)).tolist() == [0, 8_000]
    assert np.flatnonzero(hear([PlacedSound(str(clicks), 0, 499_999)], 0.0, 1)).tolist() == [0]


def test_gain_is_in_decibels_and_sounds_add_up_to_full_scale(clicks: Path) -> None:
    near, far = PlacedSound(str(clicks), 0, 1_000_000), PlacedSound(str(clicks), 0, 1_000_000, -20.0)
    assert hear([far], 0.0, 1).max() == 1_000
    assert hear([near, far], 0.0, 1).max() == 11_000
    assert hear([near] * 4, 0.0, 1).max() == 32_767


def test_where_nothing_is_placed_the_scene_is_untouched(clicks: Path) -> None:
    scene = Quiet(4)
    placed = hear([PlacedSound(str(clicks), 3_000_000, 1_000_000)], 0.0, 5, scene)
    alone = hear([], 0.0, 5, scene)
    assert np.array_equal(placed[: 3 * RATE], alone[: 3 * RATE])
    assert np.array_equal(placed[4 * RATE + BLOCK :], alone[4 * RATE + BLOCK :])


def test_a_file_that_is_gone_deafens_nobody(clicks: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gone = PlacedSound(str(tmp_path / "gone.wav"), 0, 1_000_000)
    assert hear([gone, PlacedSound(str(clicks), 0, 1_000_000)], 0.0, 1).max() == 10_000
    assert len([record for record in caplog.records if "gone.wav" in record.getMessage()]) == 1


def test_the_list_survives_its_way_through_the_world() -> None:
    sounds = [PlacedSound("/音/a b.wav", 5, 7, -3.5), PlacedSound("b", 1, 2)]
    assert from_text(to_text(sounds)) == sounds


@pytest.mark.parametrize("ppm", [-2000.0, 0.0, 2000.0])
def test_the_microphone_hears_it_in_true_time_whatever_its_crystal(clicks: Path, ppm: float) -> None:
    clock = ManualClock(step_us=200)
    state = initial_state({"microphone.drift_ppm": ppm, "microphone.scene": "quiet"})
    begin_us = clock.now_us
    device = microphone(state, clock)
    state["sounds"] = to_text([PlacedSound(str(clicks), begin_us + 2_000_000, 1_000_000)])
    heard = np.concatenate([block.samples for block in read(device, 200)]).astype(np.int32)
    first = int(np.flatnonzero(heard > 3_000)[0])
    assert first / (RATE * (1 + ppm / 1e6)) == pytest.approx(2.0, abs=0.001)


def level_dbfs(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples.astype(np.float64) ** 2)) / 32768))


def test_scenes_are_as_loud_as_they_say() -> None:
    times = np.arange(10 * RATE) / RATE
    assert level_dbfs(Quiet(1).at(times, 0)) == pytest.approx(-60, abs=1)
    assert -27 < level_dbfs(Street(1).at(times, 0)) < -18
    assert np.array_equal(Street(1).at(times, 0), Street(1).at(times, 0))


def test_an_overflow_loses_a_block_in_ten_and_says_so_each_time() -> None:
    state = initial_state({"microphone.failure": "overflow"})
    blocks = read(microphone(state), 91)
    assert [block.overflowed for block in blocks].count(True) == 91 // (BURST_BLOCKS - 1) + 1
    state["microphone.failure"] = "ok"
