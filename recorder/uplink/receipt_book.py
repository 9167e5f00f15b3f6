"""Which receipts the unit process has yet to hear of. Pure."""

from __future__ import annotations

from recorder.uplink.receipts import Receipt

RETRY_US = 5_000_000


class ReceiptBook:
    """A receipt that names segments is settled once the unit's journal carries it (``receipt`` record); one that only
    anchors the head is not journalled, so it is told once per start at most."""

    def __init__(self) -> None:
        self._untold: dict[str, Receipt] = {}
        self._recorded: set[str] = set()
        self._not_before_us = 0

    def kept(self, receipt: Receipt) -> None:
        """A receipt is on disk. Of those that only anchor the head, just the newest is worth telling."""
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
