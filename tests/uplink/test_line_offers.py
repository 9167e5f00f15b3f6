"""Lines the unit process found, which the store was told were lost: offered once, batch by batch."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import JournalReset, LinesWanted, fact_of
from recorder.uplink.line_offers import TRIES, LineOffers, Offer

POLICY = BackoffPolicy(1.0, 60.0)
S = 1_000_000
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
    refusals=st.sets(st.integers(0, 40), max_size=TRIES - 1),
)
def test_each_is_offered_whole_and_once_however_often_it_is_said_and_refused(
    gaps: list[tuple[int, int]], size: int, refusals: set[int]
) -> None:
    offers, offered = LineOffers(POLICY, 0.0), dict[LinesWanted, list[tuple[int, int]]]()
    for _ in range(2):
        for first, last in gaps:
            offers.apply(LinesWanted("j", first, last))
        offers.apply(LinesWanted("another journal", 0, 9))
        for call in range(100):
            offer = offers.next("j", 9)
            if offer is None:
                break
            if call in refusals:
                assert not offers.failed(offer, 0, 0.5)[1]
                continue
            end = min(offer.last, offer.first + size - 1)
            offered.setdefault(offer.gap, []).append((offer.first, end))
            offers.offered(offer, end + 1 if end < offer.last else None, 0)
    for first, last in gaps:
        whole = [(begin, min(begin + size - 1, last)) for begin in range(first, last + 1, size)]
        assert offered[LinesWanted("j", first, last)] == whole
    assert len(offered) == len(set(gaps))
    assert offers.waiting == 1, "another journal's"


def test_the_store_is_not_offered_what_it_has_not_gone_past() -> None:
    offers = LineOffers(POLICY, 1.0)
    offers.apply(LinesWanted("j", 3, 5))
    assert offers.next("j", -1) is None, "where it stands is not known"
    assert offers.next("j", 2) is None
    assert offers.next("j", 6) == Offer(LinesWanted("j", 3, 5), 3)


def test_batches_keep_the_rhythm_and_failures_come_ever_more_slowly() -> None:
    offers = LineOffers(POLICY, 3.0)
    offers.apply(LinesWanted("j", 1, 9))
    pauses = []
    for _ in range(4):
        offer = offers.next("j", 9)
        assert offer is not None
        pauses.append(offers.failed(offer, 1000, 0.5)[0])
        assert offers.not_before_us == 1000 + pauses[-1] * S
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    offer = Offer(LinesWanted("j", 1, 9), 1)
    assert offers.failed(offer, 0, 0.0, retry_after_s=70.0)[0] == 70.0, "as the store asks"
    offers.offered(offer, 5, 1000)
    assert offers.not_before_us == 1000 + 3 * S
    assert offers.failed(Offer(offer.gap, 5), 0, 0.5)[0] == 0.5, "it went on in between"


def test_one_that_always_fails_gives_the_others_their_turn_and_is_set_aside_for_this_process() -> None:
    offers = LineOffers(POLICY, 0.0)
    bad, good = LinesWanted("j", 1, 2), LinesWanted("j", 4, 5)
    offers.apply(bad)
    offers.apply(good)
    failures, order = 0, []
    while (offer := offers.next("j", 9)) is not None:
        order.append(offer.gap)
        if offer.gap == good:
            offers.offered(offer, None, 0)
            continue
        failures += 1
        assert offers.failed(offer, 0, 0.5)[1] == (failures == TRIES)
    assert order[:3] == [bad, good, bad]
    assert (failures, offers.waiting) == (TRIES, 0)
    for fact in (bad, JournalReset(), bad):
        offers.apply(fact)
        assert offers.next("j", 9) is None


def test_another_journal_begins_anew() -> None:
    offers, offered = LineOffers(POLICY, 0.0), list[int]()
    for _ in range(2):
        offers.apply(LinesWanted("j", 1, 2))
        offer = offers.next("j", 9)
        assert offer is not None
        offered.append(offer.first)
        offers.offered(offer, None, 0)
        offers.apply(JournalReset())
    assert offered == [1, 1]
