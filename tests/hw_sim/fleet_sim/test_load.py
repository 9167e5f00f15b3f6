"""The link's own limit: no schedule is faster, and some schedule reaches it."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_sim.fleet_sim.load import LoadPlan, link_limit

PLAN = LoadPlan(units=1, segments=1, segment_bytes=900, link_rate=250.0, unit_rate=100.0)
docks_of_some = st.lists(st.integers(0, 60).map(float), min_size=1, max_size=7)


def test_one_unit_is_held_up_by_its_own_line_and_many_by_the_link() -> None:
    assert link_limit(PLAN, [5.0]) == 5.0 + 9.0
    assert link_limit(PLAN, [0.0] * 10) == pytest.approx(10 * 900 / 250)
    assert link_limit(PLAN, [0.0] * 10 + [100.0]) == 109.0, "the last to dock is alone on the link"


def test_a_link_that_few_units_cannot_fill_is_later_than_one_that_is_always_full() -> None:
    """Two seconds with one unit, then three: what the first could not fill is lost for good."""
    assert link_limit(PLAN, [0.0, 2.0, 2.0]) == pytest.approx(2.0 + (3 * 900 - 200) / 250)


@given(docks_of_some)
def test_every_set_of_units_fits_by_then_and_one_of_them_only_just(docks: list[float]) -> None:
    """The whole minimum cut, all subsets of them, against the few that are looked at."""
    limit = link_limit(PLAN, docks)
    sets = [each for size in range(1, len(docks) + 1) for each in itertools.combinations(docks, size)]
    spare = min(_could_send(each, limit) - len(each) * 900 for each in sets)
    assert spare == pytest.approx(0, abs=1e-6)


@settings(deadline=None)
@given(docks_of_some)
def test_a_schedule_reaches_it(docks: list[float]) -> None:
    """Most left first, in small steps: whoever has more left goes before whoever has less (Muntz and Coffman 1970)."""
    step, limit = 0.05, link_limit(PLAN, docks)
    left, at = dict.fromkeys(range(len(docks)), 900.0), 0.0
    while any(each > 1e-6 for each in left.values()):
        assert at <= limit + 1.0, "a second of steps later"
        link = PLAN.link_rate * step
        for unit in sorted((unit for unit in left if docks[unit] <= at), key=lambda unit: -left[unit]):
            sent = min(link, left[unit], PLAN.unit_rate * step)
            left[unit] -= sent
            link -= sent
        at += step


def test_a_faster_line_of_its_own_is_never_later() -> None:
    docks = [float(each) for each in range(40)]
    rates = (20.0, 50.0, 100.0, 250.0, 1000.0)
    limits = [link_limit(dataclasses.replace(PLAN, unit_rate=rate), docks) for rate in rates]
    assert limits == sorted(limits, reverse=True)


def _could_send(docks: tuple[float, ...], until: float) -> float:
    """What these units together can send by then."""
    ordered = sorted(each for each in docks if each < until)
    ends = [*ordered[1:], until]
    lines = [min(PLAN.link_rate, PLAN.unit_rate * number) for number in range(1, len(ordered) + 1)]
    return sum(rate * (end - begin) for rate, begin, end in zip(lines, ordered, ends, strict=True))
