"""The limit of a run that was: the simulation's own, and the curve that is drawn beside the run reaches it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.fleet_run.limit import left_at_best, limit_s

docks = st.lists(st.floats(0.0, 60.0).map(lambda at: 1_800_000_000.0 + round(at, 2)), min_size=1, max_size=8)


def test_a_line_that_is_never_idle_is_limited_by_its_bytes_alone() -> None:
    assert limit_s([1000.0, 1001.0, 1002.0], [500, 500, 500], 100.0) == pytest.approx(15.0)


def test_a_line_that_waits_for_the_last_to_dock_is_limited_by_that_one() -> None:
    assert limit_s([1000.0, 1060.0], [500, 500], 100.0) == pytest.approx(65.0)


def test_without_a_unit_there_is_no_limit() -> None:
    with pytest.raises(ValueError, match="no unit"):
        limit_s([], [], 100.0)


@given(docks)
def test_the_curve_ends_at_the_limit_and_never_rises(docked: list[float]) -> None:
    sizes = [700] * len(docked)
    curve = left_at_best(docked, sizes, 100.0)
    assert curve[0] == (0.0, float(sum(sizes)))
    assert curve[-1][0] == pytest.approx(limit_s(docked, sizes, 100.0), abs=1e-4)
    assert curve[-1][1] == 0.0
    for (at, left), (later, less) in itertools.pairwise(curve):
        assert at <= later and less <= left + 1e-6
        assert left - less <= 100.0 * (later - at) + 1e-3, "faster than the line"


@given(docks, st.data())
def test_sizes_that_differ_make_it_earlier_never_later(docked: list[float], data: st.DataObject) -> None:
    sizes = [data.draw(st.integers(100, 900)) for _ in docked]
    assert limit_s(docked, sizes, 100.0) <= left_at_best(docked, sizes, 100.0)[-1][0] + 1e-4
