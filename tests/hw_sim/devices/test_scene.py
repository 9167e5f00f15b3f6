"""The street: same seed, same picture; darker with the light; nothing when covered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.devices.scene import DARKEST, NIGHT_LUX, Scene, light_level
from tests.hw_sim.devices.footage import SIZES, planes


def luma(
    seed: int, at_us: int, lux: float = 200.0, covered: bool = False
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    y, u, v = planes(320, 180)
    Scene(320, 180, seed).draw(y, u, v, at_us, lux=lux, covered=covered)
    return y


def test_deterministic_and_moving() -> None:
    assert np.array_equal(luma(1, 5_000_000), luma(1, 5_000_000))
    assert not np.array_equal(luma(1, 5_000_000), luma(2, 5_000_000))
    assert not np.array_equal(luma(1, 5_000_000), luma(1, 5_033_333))


def test_darker_with_the_light_and_grey_at_night() -> None:
    means = [float(luma(1, 0, lux).mean()) for lux in (200, 6, 2, 0.5, 0.01)]
    assert means == sorted(means, reverse=True) and means[0] > 2 * means[-1]
    y, u, v = planes(320, 180)
    Scene(320, 180, 1).draw(y, u, v, 0, lux=0.5, covered=False)
    assert (u == 128).all() and (v == 128).all()


def test_covered_is_flat_and_dark() -> None:
    y = luma(1, 0, covered=True)
    assert y.min() == y.max() < 30


@given(st.floats(0, 1e6))
def test_light_level_is_bounded(lux: float) -> None:
    assert 0 <= light_level(lux) <= DARKEST
    assert (light_level(lux) == 0) == (lux >= NIGHT_LUX)


@pytest.mark.parametrize("size", SIZES)
def test_no_value_wraps_around_and_all_of_the_frame_is_painted(size: tuple[int, int]) -> None:
    scene = Scene(*size, 9)
    y, u, v = planes(*size)
    for lux in (1000.0, 3.0, 0.01):
        for at_us in range(0, 40_000_000, 3_333_333):
            y.fill(0)
            scene.draw(y, u, v, at_us, lux=lux, covered=False)
            assert y.min() >= 1 and y.max() <= 235
