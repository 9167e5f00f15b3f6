"""Lines the unit process found, which the store was told were lost: offered once, batch by batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.facts import JournalReset, LinesWanted, fact_of
from recorder.uplink.faults import STORE_BUSY, UplinkFault
from recorder.uplink.line_offers import LineOffers

EVENT = {"event": "store-gap", "journal_id": "j", "at_us": 1}


def test_only_lines_that_are_here_are_wanted() -> None:
    found = fact_of("event", {**EVENT, "detail": {"first": 3, "last": 5, "held": [4, 5]}})
    assert found == LinesWanted("j", 3, 5)
    assert fact_of("event", {**EVENT, "detail": {"first": 3, "last": 5, "held": None}}) is None
    assert fact_of("event", {**EVENT, "event": "other", "detail": {"first": 3, "last": 5, "held": [4, 5]}}) is None
    with pytest.raises(ValueError, match="first"):
        fact_of("event", {**EVENT, "detail": {"first": "3", "last": 5, "held": [4, 5]}})


@given(
    gaps=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda p: (min(p), max(p))), max_size=6),
    size=st.integers(1, 4),
    refusals=st.sets(st.integers(0, 40)),
)
def test_each_is_offered_whole_and_once_however_often_it_is_said_and_refused(
    gaps: list[tuple[int, int]], size: int, refusals: set[int]
) -> None:
    offers, offered, calls = LineOffers(), list[tuple[int, int]](), 0

    def offer(journal_id: str, first: int, last: int) -> int | None:
        nonlocal calls
        calls += 1
        if calls in refusals:
            raise UplinkFault(STORE_BUSY)
        assert journal_id == "j"
        end = min(last, first + size - 1)
        offered.append((first, end))
        return end + 1 if end < last else None

    for _ in range(2):
        for first, last in gaps:
            offers.apply(LinesWanted("j", first, last))
        offers.apply(LinesWanted("another journal", 0, 9))
        for _ in range(100):
            try:
                offers.one("j", offer)
            except UplinkFault as fault:
                assert fault.kind is STORE_BUSY
    whole = [
        (begin, min(begin + size - 1, last))
        for first, last in dict.fromkeys(gaps)
        for begin in range(first, last + 1, size)
    ]
    assert offered == whole
    assert offers.waiting == 1, "another journal's"


def test_another_journal_begins_anew() -> None:
    offers, offered = LineOffers(), list[int]()
    for _ in range(2):
        offers.apply(LinesWanted("j", 1, 2))
        offers.one("j", lambda _journal, first, _last: offered.append(first))
        offers.apply(JournalReset())
    assert offered == [1, 1]
