"""The store's slots: never more than there are, the right units first, nobody forgotten, the vanished leave nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config.models import Mqtt
from recorder.fleet.dispatch import Demand, Dispatcher, DispatchPolicy, Word, rank_of

POLICY = DispatchPolicy(grant_s=100.0, renew_s=30.0, wait_s=300.0, silent_s=150.0)


def test_a_unit_that_reports_as_seldom_as_it_may_keeps_its_slot() -> None:
    """One lost status must not cost it either: the longest interval fits twice."""
    bounds = Mqtt.model_json_schema()["properties"]["status_interval_s"]
    assert DispatchPolicy().silent_s >= 2 * bounds["maximum"]


def demand(deadline: float | None = 1000.0, marked: int = 0, segments: int = 5) -> Demand:
    return Demand(segments, segments * 30, marked, deadline)


def granted(words: list[Word]) -> list[str]:
    return [word.unit_id for word in words if word.for_s > 0]


def told_to_wait(words: list[Word]) -> list[str]:
    return [word.unit_id for word in words if word.for_s == 0]


def test_marked_first_then_the_earliest_deadline_and_no_deadline_last() -> None:
    desk = Dispatcher(POLICY, slots=3)
    for unit_id, asked in {
        "none": demand(None),
        "late": demand(900.0),
        "soon": demand(100.0),
        "marked": demand(950.0, marked=1),
        "later": demand(901.0),
    }.items():
        desk.heard(unit_id, asked, 0.0)
    words = desk.tick(0.0)
    assert granted(words) == ["marked", "soon", "late"]
    assert sorted(told_to_wait(words)) == ["later", "none"]


def test_a_unit_that_is_done_gives_its_slot_to_the_next() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("a", demand(1.0), 0.0)
    desk.heard("b", demand(2.0), 0.0)
    assert granted(desk.tick(0.0)) == ["a"]
    desk.heard("a", demand(segments=0), 5.0)
    assert granted(desk.tick(5.0)) == ["b"]


def test_a_slot_is_renewed_while_nobody_more_urgent_waits() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("a", demand(5.0), 0.0)
    desk.heard("b", demand(5.0), 0.0)
    assert granted(desk.tick(0.0)) == ["a"]
    assert granted(desk.tick(69.0)) == []
    assert granted(desk.tick(70.0)) == ["a"], "on a tie the slot stays"


def test_somebody_more_urgent_takes_the_slot_when_it_would_be_renewed() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("a", demand(50.0), 0.0)
    desk.tick(0.0)
    desk.heard("b", demand(9.0), 10.0)
    assert granted(desk.tick(70.0)) == []
    assert granted(desk.tick(99.0)) == [], "the holder may believe in its lease until it ends"
    words = desk.tick(100.0)
    assert granted(words) == ["b"]
    assert told_to_wait(words) == ["a"]


def test_a_unit_not_heard_of_loses_its_slot() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("a", demand(1.0), 0.0)
    desk.tick(0.0)
    desk.heard("b", demand(2.0), 100.0)
    desk.tick(70.0)
    assert granted(desk.tick(151.0)) == ["b"]


def test_the_last_will_frees_at_once() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("a", demand(1.0), 0.0)
    desk.heard("b", demand(2.0), 0.0)
    desk.tick(0.0)
    desk.lost("a")
    assert granted(desk.tick(1.0)) == ["b"]


def test_fewer_slots_take_effect_as_leases_end() -> None:
    desk = Dispatcher(POLICY, slots=2)
    for unit_id in "ab":
        desk.heard(unit_id, demand(1.0), 0.0)
    desk.tick(0.0)
    desk.slots = 1
    for at in (70.0, 100.0, 101.0):
        for unit_id in "ab":
            desk.heard(unit_id, demand(1.0), at)
        desk.tick(at)
    assert len(desk.holders) == 1


def test_no_deadline_is_after_any() -> None:
    assert rank_of(demand(None)) > rank_of(demand(1e12)) > rank_of(demand(None, marked=1))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["heard", "heard", "heard", "lost", "done", "slots"]),
        st.integers(0, 8),
        st.integers(0, 60),
        st.integers(0, 5),
    ),
    max_size=120,
)


@given(EVENTS)
def test_slots_are_never_oversold_and_everybody_is_told_something(events: list) -> None:  # type: ignore[type-arg]  # plain values
    """Leases as the units believe them: at no moment more than the slots there were since each was granted."""
    desk = Dispatcher(POLICY, slots=3)
    now, most = 0.0, 3
    believed: dict[str, float] = {}
    last_word: dict[str, float] = {}
    present: dict[str, float] = {}
    for kind, number, seconds, extra in events:
        unit_id = f"u{number}"
        if kind == "heard":
            desk.heard(unit_id, demand(float(extra * 100), marked=extra % 2), now)
            present[unit_id] = now
        elif kind in ("lost", "done"):
            desk.lost(unit_id) if kind == "lost" else desk.heard(unit_id, demand(segments=0), now)
            for book in (believed, last_word, present):
                book.pop(unit_id, None)
        else:
            desk.slots = 1 + extra % 3
        for _ in range(seconds + 1):
            for gone in [key for key, at in present.items() if now - at > POLICY.silent_s]:
                for book in (believed, last_word, present):
                    book.pop(gone, None)
            for word in desk.tick(now):
                last_word[word.unit_id] = now
                if word.for_s > 0:
                    believed[word.unit_id] = now + word.for_s
                else:
                    believed.pop(word.unit_id, None)
            active = [key for key, until in believed.items() if until > now]
            assert len(active) <= most
            assert set(active) <= desk.holders
            for key in present:
                assert now - last_word[key] <= max(POLICY.wait_s / 3, POLICY.grant_s) + 1
            now += 1.0


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), min_size=1, max_size=40), st.integers(1, 10))
def test_the_first_choice_is_the_sorted_one(asked: list[tuple[float, bool]], slots: int) -> None:
    desk = Dispatcher(POLICY, slots=slots)
    demands = {f"u{n:02}": demand(deadline, marked=int(mark)) for n, (deadline, mark) in enumerate(asked)}
    for unit_id, each in demands.items():
        desk.heard(unit_id, each, 0.0)
    best = sorted(demands, key=lambda key: (rank_of(demands[key]), key))[:slots]
    assert granted(desk.tick(0.0)) == best


@pytest.mark.parametrize("again", [0.0, 5.0, 20.0])
def test_a_unit_that_changes_its_mind_is_ranked_by_what_it_said_last(again: float) -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("holder", demand(1.0), 0.0)
    desk.tick(0.0)
    desk.heard("a", demand(100.0), 1.0)
    desk.heard("b", demand(50.0), 1.0)
    desk.tick(1.0)
    desk.heard("a", demand(10.0), again)
    desk.heard("b", demand(60.0), again)
    desk.lost("holder")
    assert granted(desk.tick(again + 1.0)) == ["a"]


def test_units_whose_demand_keeps_changing_leave_nothing_behind() -> None:
    desk = Dispatcher(POLICY, slots=1)
    desk.heard("holder", demand(0.0), 0.0)
    desk.tick(0.0)
    for number in range(5_000):
        desk.heard("restless", demand(1e6 - number), 0.0)
        desk.heard("calm", demand(2e6), 0.0)
    assert desk.entries() < 64
    desk.lost("holder")
    assert granted(desk.tick(1.0)) == ["restless"]
    desk.lost("restless")
    assert granted(desk.tick(2.0)) == ["calm"]
