"""Which receipts the unit process has yet to hear of, and which files nobody needs any more. Pure."""

from __future__ import annotations

from recorder.uplink.receipts import Receipt

RETRY_US = 5_000_000


class ReceiptBook:
    """A receipt is settled once the unit's journal carries it (``receipt`` record, with the store's line inside)."""

    def __init__(self) -> None:
        self._untold: dict[str, Receipt] = {}
        self._recorded: set[str] = set()
        self._heads_only: dict[str, tuple[str, int]] = {}
        self._not_before_us = 0

    def kept(self, receipt: Receipt) -> None:
        """A receipt is on disk. Of those that only anchor the head, just the newest is worth telling."""
        if not receipt.segments:
            self._heads_only[receipt.receipt_id] = (receipt.journal_id, receipt.head_seq)
        if receipt.receipt_id in self._recorded:
            return
        if not receipt.segments:
            older = [
                known.receipt_id
                for known in self._untold.values()
                if not known.segments and known.journal_id == receipt.journal_id
            ]
            newest = max([receipt, *(self._untold[key] for key in older)], key=lambda known: known.head_seq)
            for key in older:
                del self._untold[key]
            receipt = newest
        self._untold[receipt.receipt_id] = receipt

    def recorded(self, receipt_id: str) -> None:
        """The unit's journal carries it: nothing is left to tell."""
        self._recorded.add(receipt_id)
        self._untold.pop(receipt_id, None)

    def to_tell(self, now_us: int, limit: int = 20) -> list[str]:
        return [] if now_us < self._not_before_us else list(self._untold)[:limit]

    def told(self, receipt_id: str) -> None:
        """The unit has looked at it, whatever it thinks of it."""
        self._untold.pop(receipt_id, None)

    def unit_away(self, now_us: int) -> None:
        self._not_before_us = now_us + RETRY_US

    def prunable(self) -> list[str]:
        """Heads-only receipts that the journal carries and that a newer one on disk supersedes.

        One comes with every journal post, up to 17 000 a day: kept as files they would fill the card with 4 KiB blocks.
        Nothing is lost: the store's signed line stands in the signed journal.
        """
        newest: dict[str, int] = {}
        for journal_id, head_seq in self._heads_only.values():
            newest[journal_id] = max(newest.get(journal_id, -1), head_seq)
        return [
            receipt_id
            for receipt_id, (journal_id, head_seq) in self._heads_only.items()
            if receipt_id in self._recorded and head_seq < newest[journal_id]
        ]

    def pruned(self, receipt_id: str) -> None:
        self._heads_only.pop(receipt_id, None)
