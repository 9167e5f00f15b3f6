"""The simulated link: it carries what it says, shares equally, and wastes nothing while anybody sends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.fleet_sim.link import SharedLink


def run_to_end(link: SharedLink) -> dict[int, float]:
    ends: dict[int, float] = {}
    while math.isfinite(at := link.next_end_s()):
        for flow in link.finished(at):
            ends[flow] = at
    return ends


def test_two_share_and_the_one_that_stays_gets_all() -> None:
    link = SharedLink(10.0, 100.0)
    short, long = link.begin(100.0, 0.0), link.begin(200.0, 0.0)
    ends = run_to_end(link)
    assert ends[short] == pytest.approx(20.0, abs=0.2)
    assert ends[long] == pytest.approx(30.0, abs=0.2)


def test_nobody_is_faster_than_his_own_line() -> None:
    link = SharedLink(1000.0, 10.0)
    flow = link.begin(100.0, 5.0)
    assert run_to_end(link)[flow] == pytest.approx(15.0, abs=0.2)


def test_a_flow_that_is_stopped_says_what_it_had_left_and_hinders_nobody() -> None:
    link = SharedLink(10.0, 100.0)
    gone, stays = link.begin(1000.0, 0.0), link.begin(100.0, 0.0)
    assert link.stop(gone, 10.0) == pytest.approx(950.0)
    assert run_to_end(link)[stays] == pytest.approx(15.0, abs=0.2)


@given(st.lists(st.tuples(st.integers(1, 10_000), st.integers(0, 100)), min_size=1, max_size=30))
def test_a_busy_link_carries_its_rate_and_everything_arrives_once(flows: list[tuple[int, int]]) -> None:
    link = SharedLink(50.0, 1e9)
    ends: dict[int, float] = {}
    for size, at in sorted(flows, key=lambda flow: flow[1]):
        while link.next_end_s() <= at:
            now = link.next_end_s()
            ends |= dict.fromkeys(link.finished(now), now)
        link.begin(float(size), float(at))
    ends |= run_to_end(link)
    assert len(ends) == len(flows)
    assert link.carried == pytest.approx(sum(size for size, _ in flows), abs=len(flows) + 1.0)
    through = 0.0
    for size, at in sorted(flows, key=lambda flow: flow[1]):
        through = max(through, at) + size / 50.0
    assert max(ends.values()) == pytest.approx(through, abs=0.1 + len(flows) / 50.0)
