"""Who may speak next: priority, at most once per interval, nothing stale, urgent cuts in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from recorder.officer.prompts.catalogue import PRIORITIES, Priority, Prompt
from recorder.officer.prompts.numerals import Language
from recorder.officer.prompts.waiting import MOST_WAITING, Request, WaitingLine

S = 1_000_000


def prompt(name: str, priority: Priority = "normal", repeat_s: int = 0, stale_s: int = 30) -> Prompt:
    text: dict[Language, str] = {"zh": name, "en": name}
    return Prompt(name, text, text, {}, (), (), priority, repeat_s * S, stale_s * S)


def ask(line: WaitingLine, wanted: Prompt, at_s: float = 0, values: Mapping[str, object] | None = None) -> list[str]:
    dropped = line.offer(Request(wanted, values or {}, round(at_s * S)))
    return [request.prompt.id for request, _ in dropped]


def order(line: WaitingLine, now_s: float = 0) -> list[str]:
    said = []
    while (request := line.take(round(now_s * S))) is not None:
        said.append(request.prompt.id)
    return said


def test_the_most_important_is_said_first_and_among_equals_the_first_asked() -> None:
    line = WaitingLine()
    for name, priority in (("a", "low"), ("b", "normal"), ("c", "urgent"), ("d", "high"), ("e", "normal")):
        ask(line, prompt(name, priority))  # type: ignore[arg-type]
    assert order(line) == ["c", "d", "b", "e", "a"]


def test_at_most_once_per_interval() -> None:
    line, gnss = WaitingLine(), prompt("gnss-lost", repeat_s=30)
    ask(line, gnss, 0)
    assert order(line, 1) == ["gnss-lost"]
    ask(line, gnss, 30.9)
    assert order(line, 31) == []
    ask(line, gnss, 31.1)
    assert order(line, 31.2) == ["gnss-lost"]


def test_one_that_waits_takes_over_the_newer_values() -> None:
    line, battery = WaitingLine(), prompt("battery-low", repeat_s=60)
    ask(line, battery, 0, {"minutes": 20})
    ask(line, battery, 5, {"minutes": 15})
    request = line.take(6 * S)
    assert request is not None and request.values == {"minutes": 15}
    assert order(line, 6) == []


def test_where_each_is_to_be_said_only_equal_ones_merge() -> None:
    line, missing = WaitingLine(), prompt("checklist-missing")
    for point in ("scene", "objects", "scene"):
        ask(line, missing, 0, {"point": point})
    assert order(line) == ["checklist-missing", "checklist-missing"]


def test_what_waited_too_long_is_dropped_and_named() -> None:
    line = WaitingLine()
    ask(line, prompt("marked", stale_s=5), 0)
    ask(line, prompt("resumed", stale_s=60), 0)
    assert line.expired(5 * S) == []
    assert [(request.prompt.id, why) for request, why in line.expired(5 * S + 1)] == [("marked", "stale")]
    assert order(line, 6) == ["resumed"]


def test_only_an_urgent_one_cuts_in_and_never_into_an_urgent_one() -> None:
    line = WaitingLine()
    ask(line, prompt("high", "high"))
    assert not line.cuts_in(prompt("speaking", "low"))
    ask(line, prompt("urgent", "urgent"))
    assert line.cuts_in(prompt("speaking", "high"))
    assert not line.cuts_in(prompt("speaking", "urgent"))


def test_the_line_is_bounded_and_the_least_important_gives_way() -> None:
    line = WaitingLine()
    for number in range(MOST_WAITING):
        assert ask(line, prompt(f"n{number}")) == []
    assert ask(line, prompt("urgent", "urgent")) == [f"n{MOST_WAITING - 1}"]
    assert ask(line, prompt("low", "low")) == ["low"]
    assert len(line) == MOST_WAITING


WISHES = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.sampled_from(PRIORITIES),
        st.sampled_from([0, 10, 60]),
        st.sampled_from([1, 20]),
        st.integers(0, 5),
    )
)


@given(WISHES)
def test_nothing_is_said_twice_within_its_interval_nor_when_stale_and_all_is_accounted_for(
    wishes: list[tuple[str, Priority, int, int, int]],
) -> None:
    line, now = WaitingLine(), 0
    catalogue = {name: prompt(name, priority, repeat, stale) for name, priority, repeat, stale, _ in wishes}
    said: dict[str, list[int]] = {}
    asked = dropped = spoken = 0
    for name, *_, wait in wishes:
        now += wait * S
        dropped += len(line.expired(now))
        dropped += len(line.offer(Request(catalogue[name], {"n": asked}, now)))
        asked += 1
        if wait % 2:
            request = line.take(now)
            if request is not None:
                spoken += 1
                assert now - request.at_us <= request.prompt.stale_us
                said.setdefault(request.prompt.id, []).append(now)
    for name, times in said.items():
        interval = catalogue[name].repeat_us
        assert all(later - earlier >= interval for earlier, later in itertools.pairwise(times))
    assert spoken + dropped + len(line) <= asked
    if all(each.repeat_us == 0 for each in catalogue.values()):
        assert spoken + dropped + len(line) == asked  # distinct values: nothing merges, nothing is left out
