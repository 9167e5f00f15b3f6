"""A level counts once it has lasted."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.raspberry_pi.settling import Settled

ON_US, OFF_US = 200_000, 3_000_000


def test_on_counts_after_a_moment_and_says_since_when() -> None:
    line = Settled(ON_US, OFF_US)
    assert line.level is None
    assert line.edge(True, 1_000_000) is None and line.deadline_us() == 1_200_000
    assert line.tick(1_199_999) is None
    assert line.tick(1_200_000) == (True, 1_000_000)
    assert line.deadline_us() is None and bool(line.level)


def test_the_dip_while_the_starter_turns_is_none() -> None:
    line = Settled(ON_US, OFF_US)
    line.edge(True, 0)
    line.tick(ON_US)
    assert line.edge(False, 5_000_000) is None
    assert line.edge(True, 6_900_000) is None and line.deadline_us() is None
    assert line.tick(60_000_000) is None and line.level is True


def test_a_line_that_goes_off_and_stays_off() -> None:
    line = Settled(ON_US, OFF_US)
    line.edge(True, 0)
    line.tick(ON_US)
    line.edge(False, 10_000_000)
    assert line.tick(13_000_000) == (False, 10_000_000)


def test_an_edge_that_comes_late_settles_what_was_before() -> None:
    line = Settled(ON_US, OFF_US)
    line.edge(True, 0)
    assert line.edge(False, 9_000_000) == (True, 0)
    assert line.tick(12_000_000) == (False, 9_000_000)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5_000_000)), max_size=40))
def test_levels_alternate_and_each_has_lasted(steps: list[tuple[bool, int]]) -> None:
    line, now = Settled(ON_US, OFF_US), 0
    told: list[tuple[bool, int]] = []
    for on, wait_us in steps:
        if (settled := line.edge(on, now)) is not None:
            told.append(settled)
        now += wait_us
        if (settled := line.tick(now)) is not None:
            told.append(settled)
            on_, since = settled
            assert now - since >= (ON_US if on_ else OFF_US)
    assert all(a[0] != b[0] and a[1] < b[1] for a, b in pairwise(told))
