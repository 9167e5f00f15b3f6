"""The 24 hours of art. 24: to the second, across reboots and clock steps, extended by exactly five reasons, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.session.elapsed import BootClock, BootClocks
from recorder.session.events import Moment
from recorder.session.statutory import (
    FIELD_REASONS,
    LIMIT_US,
    FieldMode,
    OwedSession,
    StatutoryRules,
    WarningBook,
    coverable,
    judge,
)

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
HOUR, SECOND = 3_600_000_000, 1_000_000
T0 = 1_790_000_000_000_000
RULES = StatutoryRules()


def at(us: int, boot: str = A) -> Moment:
    return Moment(us, boot, T0 + us)


def owed(name: str = "s1", began: int = 0, completed: int | None = HOUR, oldest: int | None = None) -> OwedSession:
    done = None if completed is None else at(completed)
    return OwedSession(name, at(began), 3, at(began + 60 * SECOND if oldest is None else oldest), done, done)


def clocks(last: int = 200 * HOUR) -> BootClocks:
    return BootClocks([BootClock(A, 0, last, T0)])


def level(now: int, session: OwedSession | None = None, mode: FieldMode | None = None, **rules: object) -> str:
    (due,) = judge([session or owed()], mode or FieldMode(), at(now), clocks(), StatutoryRules(**rules))  # type: ignore[arg-type]
    return due.level


def test_the_reasons_are_the_five_of_the_article() -> None:
    assert FIELD_REASONS == ("连续执法", "异地执法", "边远地区执法", "水上执法", "交通不便地区执法")


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (0, "running"),
        (18 * HOUR - SECOND, "running"),
        (18 * HOUR, "near"),
        (23 * HOUR, "urgent"),
        (24 * HOUR, "urgent"),
        (24 * HOUR + SECOND, "overdue"),
    ],
)
def test_the_deadline_to_the_second(after: int, expected: str) -> None:
    assert level(HOUR + after) == expected


def test_a_session_that_goes_on_owes_nothing_until_it_is_a_continuous_one() -> None:
    assert judge([owed(completed=None)], FieldMode(), at(11 * HOUR), clocks(), RULES) == ()
    (due,) = judge([owed(completed=None)], FieldMode(), at(13 * HOUR), clocks(), RULES)
    assert due.left_us == LIMIT_US - 13 * HOUR + 60 * SECOND


def test_by_segment_is_the_stricter_count() -> None:
    by_session, by_segment = (
        judge([owed(completed=5 * HOUR)], FieldMode(), at(20 * HOUR), clocks(), StatutoryRules(per=per))[0]
        for per in ("session", "segment")
    )
    assert by_session.left_us is not None and by_segment.left_us is not None
    assert by_segment.left_us < by_session.left_us


def test_a_reboot_does_not_start_the_hours_again() -> None:
    book = BootClocks([BootClock(A, 0, 2 * HOUR, T0), BootClock(B, 0, HOUR, T0 + 20 * HOUR)])
    (due,) = judge([owed()], FieldMode(), at(HOUR, B), book, RULES)
    assert (due.left_us, due.proven) == (LIMIT_US - 20 * HOUR, True)


# --- field mode ------------------------------------------------------------------------------------------------------


def field_mode(since: int, *covered: str) -> FieldMode:
    return FieldMode("边远地区执法", at(since), frozenset(covered))


def test_a_declaration_suspends_what_it_names_and_what_begins_under_it() -> None:
    assert level(99 * HOUR, owed("s1"), field_mode(2 * HOUR, "s1")) == "suspended"
    assert level(99 * HOUR, owed("s2", began=3 * HOUR, completed=4 * HOUR), field_mode(2 * HOUR)) == "suspended"
    assert level(99 * HOUR, owed("s3"), field_mode(2 * HOUR, "s1")) == "overdue"


def test_the_return_starts_the_hours_again() -> None:
    mode = FieldMode(returned=(("s1", at(70 * HOUR)),))
    assert level(94 * HOUR, owed("s1"), mode) == "urgent"
    assert level(94 * HOUR + SECOND, owed("s1"), mode) == "overdue"


def test_what_is_recorded_on_after_the_return_counts_from_its_own_end() -> None:
    mode = FieldMode(returned=(("s1", at(2 * HOUR)),))
    (due,) = judge([owed("s1", completed=5 * HOUR)], mode, at(6 * HOUR), clocks(), RULES)
    assert due.left_us == LIMIT_US - HOUR


def test_a_declaration_after_the_deadline_covers_nothing_of_it() -> None:
    late, fresh = owed("late"), owed("fresh", began=30 * HOUR, completed=31 * HOUR)
    assert coverable([late, fresh], FieldMode(), at(32 * HOUR), clocks(), RULES) == (("fresh",), ("late",))


def test_no_session_is_extended_twice() -> None:
    mode = FieldMode(returned=(("s1", at(30 * HOUR)),))
    assert coverable([owed("s1")], mode, at(31 * HOUR), clocks(), RULES) == ((), ())


@given(
    st.lists(st.tuples(st.integers(0, 90 * HOUR), st.integers(0, 10 * HOUR)), max_size=6), st.integers(0, 150 * HOUR)
)
def test_whatever_is_declared_an_overdue_session_stays_overdue(sessions: list[tuple[int, int]], declared: int) -> None:
    items = [owed(f"s{i}", began, began + length) for i, (began, length) in enumerate(sessions) if began < declared]
    before = {due.session_id: due.level for due in judge(items, FieldMode(), at(declared), clocks(), RULES)}
    covered, late = coverable(items, FieldMode(), at(declared), clocks(), RULES)
    mode = FieldMode("水上执法", at(declared), frozenset(covered))
    after = {due.session_id: due.level for due in judge(items, mode, at(declared + HOUR), clocks(), RULES)}
    for session_id, was in before.items():
        assert (was == "overdue") == (session_id in late)
        assert after[session_id] == ("overdue" if was == "overdue" else "suspended")


# --- warnings --------------------------------------------------------------------------------------------------------


def test_each_level_is_told_once_for_each_session() -> None:
    book, told = WarningBook(), []
    for hour in range(30):
        dues = judge([owed("s1"), owed("s2", completed=2 * HOUR)], FieldMode(), at(hour * HOUR), clocks(), RULES)
        told += [(hour, name, [due.session_id for due in news]) for name, news in book.news(dues).items()]
    assert told == [
        (19, "near", ["s1"]),
        (20, "near", ["s2"]),
        (24, "urgent", ["s1"]),
        (25, "urgent", ["s2"]),
        (26, "overdue", ["s1"]),
        (27, "overdue", ["s2"]),
    ]


def test_after_a_return_the_warnings_come_again() -> None:
    book = WarningBook()
    assert list(book.news(judge([owed()], FieldMode(), at(24 * HOUR), clocks(), RULES))) == ["urgent"]
    mode = FieldMode(returned=(("s1", at(25 * HOUR)),))
    assert not book.news(judge([owed()], mode, at(26 * HOUR), clocks(), RULES))
    assert list(book.news(judge([owed()], mode, at(43 * HOUR), clocks(), RULES))) == ["near"]


def test_what_was_told_before_a_restart_is_not_told_again_and_what_comes_next_is() -> None:
    book, told = WarningBook({"s1": "urgent"}), []
    for hour in (24, 25, 26):
        dues = judge([owed("s1"), owed("s2")], FieldMode(), at(hour * HOUR), clocks(), RULES)
        told += [(hour, name, [due.session_id for due in news]) for name, news in book.news(dues).items()]
    assert told == [(24, "urgent", ["s2"]), (26, "overdue", ["s1", "s2"])]
