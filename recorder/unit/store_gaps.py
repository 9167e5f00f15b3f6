"""Lines of our journal that the store's receipts say it never had (``gaps``): lost here, too, or here after all.

The uplink, which faces the network, is what declares lines lost. So it is this process that looks: lines that are lost here
as well are confirmed, once; lines that are here are a fault, are offered to the store again (by the record of it, which
the uplink reads), and what they sign stays on the unit whatever receipt names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorder.evidence.journal import Journal
from recorder.evidence.receipts import STORE_GAP_EVENT, Believed, Gap
from recorder.evidence.records import Event, Record
from recorder.unit.index import Index

LOOKS = 4
"""Gaps looked for in the journal's files per turn of the loop; a receipt that names more is judged a little later."""
KNOWN = 4096
RECORDED = 64
"""So many gaps are signed facts per start, one by one; what is withheld is recorded always."""


class NotNow(Exception):
    """The journal was searched enough for one turn."""


class StoreGaps:
    def __init__(self, journal: Journal, index: Index, write: Callable[[Record], None]) -> None:
        self._journal = journal
        self._index = index
        self._write = write
        self._known: dict[tuple[int, int], tuple[int, int] | None] = {}
        self._told: set[tuple[int, int]] = set()
        self._looks = 0
        self._newest_seq = -1
        self.contradicted: tuple[Gap, ...] = ()
        """Those of the newest believed receipt whose lines are here."""

    def turn(self) -> None:
        self._looks = 0

    def held(self, first: int, last: int) -> tuple[int, int] | None:
        """As ``Journal.held``; each gap is looked for once, for every receipt names it again. Raises NotNow, OSError."""
        if (first, last) not in self._known:
            if self._looks >= LOOKS:
                raise NotNow
            self._looks += 1
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[first, last] = self._journal.held(first, last)
        return self._known[first, last]

    def believed(self, verdict: Believed, now_us: int) -> None:
        """Record what is new of its gaps. To be called before the receipt's own record is written: whoever reads the
        journal has to know what must not be let go before he may let go of anything."""
        receipt = verdict.receipt
        if receipt.head_seq >= self._newest_seq:
            self._newest_seq = receipt.head_seq
            self.contradicted = tuple(gap for gap in verdict.gaps if gap.held is not None)
        for gap in verdict.gaps:
            withheld = [] if gap.held is None else self._touched(verdict, gap)
            news = (gap.first, gap.last) not in self._told and len(self._told) < RECORDED
            if not (news or withheld):
                continue
            if news:
                self._told.add((gap.first, gap.last))
            detail = {
                "receipt_id": receipt.jti,
                "first": gap.first,
                "last": gap.last,
                "held": None if gap.held is None else list(gap.held),
                "withheld": withheld,
            }
            self._write(Event(event=STORE_GAP_EVENT, at_us=now_us, detail=detail))

    def fault(self) -> dict[str, Any] | None:
        """Evidence of the fault ``store-gap`` while there is one."""
        if not self.contradicted:
            return None
        gap = self.contradicted[0]
        return {"first": gap.first, "last": gap.last, "held": list(gap.held or ()), "gaps": len(self.contradicted)}

    def _touched(self, verdict: Believed, gap: Gap) -> list[str]:
        """Segments of the receipt with a record in the gap. Of one nobody had reported only the last record is known."""
        found = []
        for stored in verdict.receipt.segments:
            row = self._index.segment(stored.segment_id)
            last = None if row is None else row["last_seq"]
            if row is None or last is None:
                continue  # a receipt for a segment no record of ours ends is refused
            first = row["first_seq"] if row["first_seq"] is not None else 0
            if gap.touches(first, last):
                found.append(stored.segment_id)
        return found
