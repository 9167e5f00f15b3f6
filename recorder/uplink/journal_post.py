"""Post the journal to the store: in order, in batches, idempotent. The receipt in the answer is the anchor."""

from __future__ import annotations

import logging
from collections.abc import Callable

from recorder.uplink.answers import fault_of, members, whole_number
from recorder.uplink.faults import (
    JOURNAL_BEHIND,
    JOURNAL_FORK,
    JOURNAL_GAP,
    JOURNAL_HOLE,
    JOURNAL_INVALID,
    PROTOCOL,
    UplinkFault,
)
from recorder.uplink.http import Answer, StoreClient
from recorder.uplink.journal_lines import Batch, JournalLines

log = logging.getLogger("recorder.uplink")
MAX_BATCH = 1 << 20
MAX_GAPS = 2


class JournalPoster:
    """``carry`` receives each receipt's JWS and raises UplinkFault when it does not verify."""

    def __init__(self, client: StoreClient, lines: JournalLines, carry: Callable[[str], object]) -> None:
        self._client = client
        self._lines = lines
        self._carry = carry

    def position(self, journal_id: str, head_seq: int) -> int:
        """Where to post from when nothing is known: the store's newest line, once more.

        Sending that one again lets the store notice at once that our line differs from its own: a fork, which a post
        from the line after it could only show as a broken ``prev``.
        """
        answer = self._client.request("GET", f"/journals/{journal_id}", {})
        if answer.status == 404:
            return 0
        if answer.status != 200:
            raise fault_of(answer)
        next_seq = whole_number(members(answer).get("next_seq"))
        if next_seq is None:
            raise UplinkFault(PROTOCOL, "GET journal without next_seq")
        _not_behind(next_seq, head_seq)
        return max(0, next_seq - 1)

    def post(self, journal_id: str, from_seq: int | None, head_seq: int) -> int:
        """Post one batch. Returns the store's ``next_seq``; raises UplinkFault or LinkFault.

        An answer without a receipt that verifies is a fault even with status 200: then the same lines go up again.
        """
        start = self.position(journal_id, head_seq) if from_seq is None else from_seq
        for _ in range(MAX_GAPS + 1):
            batch, lost = self._batch(start, head_seq)
            path = f"/journals/{journal_id}?from={batch.from_seq}{lost}"
            answer = self._client.request("POST", path, {"Content-Type": "application/jose"}, batch.body)
            if answer.status != 409:
                next_seq = self._accepted(answer, batch.from_seq, batch.last_seq)
                _not_behind(next_seq, head_seq)
                return next_seq
            gap = whole_number(members(answer).get("next_seq"))
            if gap is None:
                raise _fork(answer)
            _not_behind(gap, head_seq)
            if gap > head_seq:
                return gap
            start = gap
        raise UplinkFault(JOURNAL_GAP, f"from={start}")

    def _batch(self, start: int, head_seq: int) -> tuple[Batch, str]:
        """The lines from ``start`` on, or, where the card has lost them, from the next file on, and the words that say so
        to the store: it takes them only if ``start`` is where it stands, and alarms the agency."""
        try:
            return self._lines.batch(start, head_seq, MAX_BATCH), ""
        except UplinkFault as fault:
            further = self._lines.first_beyond(start, head_seq) if fault.kind is JOURNAL_HOLE else None
            if further is None:
                raise
            log.warning("journal.lost", extra={"fields": {"from_seq": start, "to_seq": further - 1}})
            return self._lines.batch(further, head_seq, MAX_BATCH), f"&after={start}"

    def _accepted(self, answer: Answer, start: int, last_seq: int) -> int:
        said = members(answer)
        if answer.status == 422:
            raise UplinkFault(JOURNAL_INVALID, f"seq {said.get('seq')}: {str(said.get('reason'))[:200]}")
        if answer.status != 200:
            raise fault_of(answer)
        next_seq, receipt = whole_number(said.get("next_seq")), said.get("receipt")
        if next_seq is None or next_seq <= start:
            raise UplinkFault(PROTOCOL, f"200 with next_seq {said.get('next_seq')!r} after {start}..{last_seq}")
        if not isinstance(receipt, str):
            raise UplinkFault(PROTOCOL, "200 without a receipt")
        self._carry(receipt)
        return next_seq


def _fork(answer: Answer) -> UplinkFault:
    said = members(answer)
    if "fork" in str(said.get("type", "")):
        return UplinkFault(JOURNAL_FORK, f"seq {said.get('seq')}")
    return UplinkFault(PROTOCOL, f"409 without next_seq: {str(said)[:200]}")


def _not_behind(next_seq: int, head_seq: int) -> None:
    if next_seq > head_seq + 1:
        raise UplinkFault(JOURNAL_BEHIND, f"store has up to {next_seq - 1}, unit up to {head_seq}")
