"""Covered and blurred lenses, by statistics of the simulator's own pictures; and everything that is neither."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.ports import Plane
from hw_sim.devices.scene import Scene, blur
from recorder.capture.luma import statistics
from recorder.config.load import load_config
from recorder.faults.latch import Change
from recorder.faults.lens import LensWatch, Light, LumaStatistics

LIMITS = load_config([], {}).config.faults.lens
STEP_US = 150_000
Shot = tuple[LumaStatistics, Light | None]


class Eye:
    """Films the made-up street and hands on what the painter would see."""

    def __init__(self, width: int = 640, height: int = 360, seed: int = 1) -> None:
        self._scene = Scene(width, height, seed)
        self._y = np.zeros((height, width), np.uint8)
        self._u, self._v = (np.zeros((height // 2, width // 2), np.uint8) for _ in range(2))
        self.now_us = 0

    def film(
        self,
        seconds: float,
        lux: float = 200.0,
        covered: bool = False,
        spoil: Callable[[Plane], None] | None = None,
        sensor: bool = True,
    ) -> Iterable[Shot]:
        for _ in range(round(seconds * 1e6) // STEP_US):
            self.now_us += STEP_US
            self._scene.draw(self._y, self._u, self._v, self.now_us, lux=lux, covered=covered)
            if spoil is not None:
                spoil(self._y)
            measured = statistics(self._y, self.now_us)
            assert measured is not None
            yield measured, (self.now_us, lux) if sensor else None


def watch(*films: Iterable[Shot]) -> list[Change]:
    lens = LensWatch(LIMITS)
    return [change for film in films for shot in film for change in lens.look(*shot)]


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (320, 180)], ids=str)
def test_a_covered_lens_is_one_fault_found_within_a_second(size: tuple[int, int]) -> None:
    eye = Eye(*size)
    onset, end = watch(eye.film(3), eye.film(5, covered=True), eye.film(3))
    assert [(c.code, c.phase) for c in (onset, end)] == [("lens-covered", "onset"), ("lens-covered", "end")]
    assert 3_000_000 - STEP_US <= onset.evidence["from_us"] <= 3_000_000 + 2 * STEP_US
    assert onset.evidence["mean_luma"] < 30 and onset.evidence["flat_share"] > 0.9 and onset.evidence["lux"] == 200
    assert abs(end.evidence["to_us"] - 8_000_000) <= 2 * STEP_US


def test_a_night_without_light_is_no_covered_lens() -> None:
    eye = Eye()
    assert not watch(eye.film(10, lux=0.01))


def test_dusk_is_no_covered_lens() -> None:
    eye, lens = Eye(), LensWatch(LIMITS)
    for step in range(60):
        for shot in eye.film(0.6, lux=200 * 0.8**step):
            assert not [c for c in lens.look(*shot) if c.code == "lens-covered"]


def test_a_lamp_that_is_switched_off_is_no_covered_lens() -> None:
    eye = Eye()
    assert not [c for c in watch(eye.film(3, lux=150), eye.film(4, lux=0.02)) if c.code == "lens-covered"]


def test_the_light_must_have_been_measured_after_the_dark_began() -> None:
    """A lamp goes out; for half a second the light sensor's last word is still from before."""
    eye, lens = Eye(), LensWatch(LIMITS)
    before = list(eye.film(3, lux=150))
    stale = before[-1][1]
    after = [(shot, stale) for shot, _ in eye.film(3, lux=0.02)]
    assert not [c for film in (before, after) for shot in film for c in lens.look(*shot)]


def test_a_hand_over_the_lens_at_night_is_told_from_the_night() -> None:
    """The lamp lights the scene, the sensor sees some light, and from one moment to the next the detail is gone."""
    eye = Eye()
    changes = watch(eye.film(3, lux=4.0), eye.film(3, lux=3.8, covered=True))
    assert [(c.code, c.phase) for c in changes] == [("lens-covered", "onset")]


def test_without_a_light_sensor_nobody_can_tell() -> None:
    eye = Eye()
    assert not watch(eye.film(3, sensor=False), eye.film(5, covered=True, sensor=False))


def test_half_covered_is_not_covered() -> None:
    def half(luma: Plane) -> None:
        luma[:, : luma.shape[1] // 2] = 18

    eye = Eye()
    assert not watch(eye.film(3), eye.film(5, spoil=half))


@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (320, 180)], ids=str)
def test_a_blurred_lens_is_one_fault(size: tuple[int, int]) -> None:
    eye = Eye(*size)
    onset, end = watch(eye.film(12), eye.film(5, spoil=blur), eye.film(3))
    assert [(c.code, c.phase) for c in (onset, end)] == [("lens-blurred", "onset"), ("lens-blurred", "end")]
    assert abs(onset.evidence["from_us"] - 12_000_000) <= 2 * STEP_US
    assert onset.evidence["ratio"] < LIMITS.blurred_ratio


def test_a_blur_that_stays_teaches_nobody_that_it_is_normal() -> None:
    eye = Eye(320, 180)
    changes = watch(eye.film(12), eye.film(120, spoil=blur))
    assert [(c.code, c.phase) for c in changes] == [("lens-blurred", "onset")]


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_an_ordinary_street_by_day_and_dusk_is_neither(seed: int) -> None:
    eye = Eye(seed=seed)
    assert not watch(eye.film(30), *(eye.film(3, lux=lux) for lux in (100, 50, 25, 15, 12)))


def test_a_blank_wall_has_no_focus_to_judge() -> None:
    def wall(luma: Plane) -> None:
        luma[:] = 150

    eye = Eye(320, 180)
    assert not watch(eye.film(12), eye.film(5, spoil=wall), eye.film(3))


def test_a_covered_lens_at_full_gain_shows_noise_and_no_detail() -> None:
    random = np.random.default_rng(1)

    def noise(luma: Plane) -> None:
        luma[:] = random.normal(20, 6, luma.shape).clip(0, 255)

    eye = Eye()
    assert watch(eye.film(2), eye.film(2, spoil=noise))[0].code == "lens-covered"


def test_pictures_too_small_to_judge_are_left_alone() -> None:
    assert statistics(np.zeros((32, 16), np.uint8), 0) is None


@settings(max_examples=30, deadline=None)
@given(st.integers(64, 400), st.integers(64, 300), st.integers(0, 255))
def test_any_size_of_picture_is_measured_within_its_bounds(width: int, height: int, value: int) -> None:
    random = np.random.default_rng(value)
    picture = random.integers(0, value + 1, (height, width), np.uint8)
    before = picture.copy()
    measured = statistics(picture, 5)
    assert np.array_equal(picture, before), "it is only looked at"
    if measured is not None:
        assert 0 <= measured.mean <= value and 0 <= measured.flat_share <= 1 and measured.at_us == 5
