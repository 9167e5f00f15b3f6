"""Lines of our journal that the store's receipts say it never had (``gaps``): lost here, too, or here after all.

The uplink, which faces the network, is what declares lines lost. So it is this process that looks: lines that are lost here
as well are confirmed, once; lines that are here are a fault, are offered to the store again (by the record of it, which
the uplink reads), and what they sign stays on the unit whatever receipt names it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from recorder.evidence.journal import Journal
from recorder.evidence.receipts import STORE_GAP_EVENT, Believed, Gap
from recorder.evidence.records import Event, Record
from recorder.unit.index import Index

log = logging.getLogger("recorder.custody")

LOOKS = 1
"""Gaps looked for in the journal's files per turn of the loop; a receipt that names more is judged a little later."""
KNOWN = 4096
"""So many gaps are remembered beyond those of the receipt in hand."""
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
        self._unread: set[tuple[int, int]] = set()
        self._told: set[tuple[int, int, bool]] = set()
        self._recorded = 0
        self._seeded = False
        self._looks = 0
        self._newest_seq = -1
        self.contradicted: tuple[Gap, ...] = ()
        """Those of the newest believed receipt whose lines are here."""

    def turn(self) -> None:
        """To be called before the receipts of a turn are judged, with the whole index."""
        self._looks = 0
        if not self._seeded:
            self._remember()

    def _remember(self) -> None:
        """What was recorded before this start, for the receipts it came from are not judged again."""
        recorded = self._index.store_gaps()
        if self._index.behind:
            return  # it has just been lost: when it is whole again
        self._seeded = True
        self._told = {_news(gap) for gap, _ in recorded}
        self.contradicted = tuple(gap for gap, standing in recorded if standing)
        # An older receipt, of a head at or below the gap, could not name it: it ends nothing.
        self._newest_seq = max((gap.last + 1 for gap in self.contradicted), default=-1)

    def held(self, first: int, last: int) -> tuple[int, int] | None:
        """As ``Journal.held``; each gap is looked for once, for every receipt names it again. Lines that cannot be read
        count as held: nobody has seen that they are gone. Raises NotNow."""
        if (first, last) not in self._known:
            if self._looks >= LOOKS:
                raise NotNow
            self._looks += 1
            try:
                self._known[first, last] = self._journal.held(first, last)
            except OSError as error:
                log.error("gap.unread", extra={"fields": {"first": first, "last": last, "error": str(error)}})
                self._known[first, last] = (first, last)
                self._unread.add((first, last))
        return self._known[first, last]

    def believed(self, verdict: Believed, now_us: int) -> None:
        """Record what is new of its gaps. To be called before the receipt's own record is written: whoever reads the
        journal has to know what must not be let go before he may let go of anything. Raises NotNow: call it again."""
        receipt = verdict.receipt
        if receipt.head_seq >= self._newest_seq:
            self._newest_seq = receipt.head_seq
            self.contradicted = tuple(gap for gap in verdict.gaps if gap.held is not None)
        for gap in verdict.gaps:
            withheld = [] if gap.held is None else self._touched(verdict, gap)
            news = _news(gap) not in self._told and self._recorded < RECORDED
            if not (news or withheld):
                continue
            if news:
                self._told.add(_news(gap))
                self._recorded += 1
            detail = {
                "receipt_id": receipt.jti,
                "first": gap.first,
                "last": gap.last,
                "held": None if gap.held is None else list(gap.held),
                "withheld": withheld,
            }
            self._write(Event(event=STORE_GAP_EVENT, at_us=now_us, detail=detail))
        self._forget({(gap.first, gap.last) for gap in verdict.gaps})

    def _forget(self, named: set[tuple[int, int]]) -> None:
        """Between two receipts only: one that names more than are remembered would never be judged to its end."""
        if len(self._known) > KNOWN:
            self._known = {gap: held for gap, held in self._known.items() if gap in named}
        for gap in self._unread:  # the disk may read it when the next receipt names it
            self._known.pop(gap, None)
        self._unread.clear()

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
            if self._index.behind:
                raise NotNow  # it has just been lost
            last = None if row is None else row["last_seq"]
            if row is None or last is None:
                continue  # a receipt for a segment no record of ours ends is refused
            first = row["first_seq"] if row["first_seq"] is not None else 0
            if gap.touches(first, last):
                found.append(stored.segment_id)
        return found


def _news(gap: Gap) -> tuple[int, int, bool]:
    """What is told once: a gap, and again when it is judged another way."""
    return gap.first, gap.last, gap.held is None
