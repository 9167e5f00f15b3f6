"""Signed implies durable: what is acknowledged, and when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.channel.messages import EntryWritten
from recorder.unit.heads import ChannelOrderError, HeadBook

DIGEST = "A" * 43


def entry(n: int, segment: str, index: int) -> EntryWritten:
    return EntryWritten(
        camera_id="cam0",
        at_us=n,
        n=n,
        segment_id=segment,
        entry=index,
        offset=index * 100,
        length=100,
        sha256_stored=DIGEST,
        sha256_plain=DIGEST,
        media_end_us=n * 1000,
    )


SEGMENTS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")


def test_nothing_is_acknowledged_before_its_head_is_settled() -> None:
    book = HeadBook(interval_us=500_000)
    book.arrived(1)
    book.settled([1])
    book.arrived(2)
    book.add(entry(2, SEGMENTS[0], 0), now_us=10)
    book.arrived(3)
    book.settled([3])
    assert book.acknowledgeable() == 1
    assert book.due_us() == 500_010
    ((head, reports),) = book.take()
    assert head.first == 0
    assert reports == [2]
    assert book.acknowledgeable() == 1
    book.settled(reports)
    assert book.acknowledgeable() == 3
    assert book.due_us() is None


def test_an_entry_out_of_order_is_refused() -> None:
    book = HeadBook(interval_us=1)
    book.add(entry(1, SEGMENTS[0], 0), 0)
    with pytest.raises(ChannelOrderError, match="entry 2, expected 1"):
        book.add(entry(2, SEGMENTS[0], 2), 0)
    with pytest.raises(ChannelOrderError):
        book.arrived(0)


@given(st.lists(st.tuples(st.sampled_from(SEGMENTS), st.booleans()), max_size=60))
def test_every_entry_is_signed_exactly_once_and_in_order(steps: list[tuple[str, bool]]) -> None:
    book = HeadBook(interval_us=1)
    given_entries: dict[str, list[int]] = {segment: [] for segment in SEGMENTS}
    signed: dict[str, list[int]] = {segment: [] for segment in SEGMENTS}
    n = 0

    def sign() -> None:
        for head, reports in book.take():
            signed[head.segment_id] += range(head.first, head.first + len(head.entries))
            book.settled(reports)

    for segment, flush in steps:
        n += 1
        book.arrived(n)
        index = len(given_entries[segment])
        book.add(entry(n, segment, index), now_us=n)
        given_entries[segment].append(index)
        if flush:
            sign()
            assert book.acknowledgeable() == n
    sign()
    assert signed == given_entries
    assert book.acknowledgeable() == n
