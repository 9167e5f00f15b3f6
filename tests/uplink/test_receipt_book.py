from __future__ import annotations

from recorder.uplink.receipt_book import RETRY_US, ReceiptBook
from recorder.uplink.receipts import Covered, Receipt

COVERED = (Covered("s", "d", 1),)


def receipt(name: str, head: int, *, segments: tuple[Covered, ...] = (), journal: str = "j") -> Receipt:
    return Receipt(name, journal, head, segments, verified=True)


def test_each_receipt_with_segments_is_told_until_the_unit_has_it() -> None:
    book = ReceiptBook()
    book.kept(receipt("a", 1, segments=COVERED))
    book.kept(receipt("b", 2, segments=COVERED))
    assert book.to_tell(0) == ["a", "b"]
    book.told("a")
    book.recorded("b")
    assert book.to_tell(0) == []


def test_of_anchors_only_the_newest_is_told() -> None:
    book = ReceiptBook()
    for name, head in (("a", 1), ("c", 9), ("b", 5)):
        book.kept(receipt(name, head))
    assert book.to_tell(0) == ["c"]


def test_a_unit_that_is_away_is_left_alone_for_a_while() -> None:
    book = ReceiptBook()
    book.kept(receipt("a", 1, segments=COVERED))
    book.unit_away(0)
    assert book.to_tell(RETRY_US - 1) == []
    assert book.to_tell(RETRY_US) == ["a"]


def test_what_the_journal_carries_already_is_not_told_at_a_start() -> None:
    book = ReceiptBook()
    book.recorded("a")
    book.kept(receipt("a", 1, segments=COVERED))
    assert book.to_tell(0) == []
