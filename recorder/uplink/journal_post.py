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
    JOURNAL_UNREADABLE,
    PROTOCOL,
    UplinkFault,
)
from recorder.uplink.http import Answer, StoreClient
from recorder.uplink.journal_lines import Batch, JournalLines

log = logging.getLogger("recorder.uplink")
MAX_BATCH = 1 << 20
MAX_GAPS = 2
GAP_TYPE = "urn:zfy:journal-gap"
APART_TYPES = frozenset({"urn:zfy:journal-late", "urn:zfy:journal-fork"})
JOSE = {"Content-Type": "application/jose"}


class JournalPoster:
    """``carry`` receives each receipt's JWS and raises UplinkFault when it does not verify. ``lost`` hears of lines
    the card has lost, as they are declared to the store."""

    def __init__(
        self,
        client: StoreClient,
        lines: JournalLines,
        carry: Callable[[str], object],
        lost: Callable[[UplinkFault], object],
    ) -> None:
        self._client = client
        self._lines = lines
        self._carry = carry
        self._lost = lost

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
        lost_from: int | None = None
        gaps = 0
        brought: set[str] = set()
        while gaps <= MAX_GAPS:
            batch, lost_from = self._batch(start, head_seq, lost_from)
            path = f"/journals/{journal_id}?from={batch.from_seq}"
            if lost_from is not None:
                path += f"&after={lost_from}"
            answer = self._client.request("POST", path, JOSE, batch.body)
            missing = _missing_key(answer)
            if missing is not None and missing not in brought:
                if self._bring(journal_id, missing):
                    brought.add(missing)
                    continue
                if not self._misnamed(answer, batch, head_seq):
                    raise _keyless(missing, answer)
            damaged = self._damaged(answer, batch, head_seq)
            if lost_from is not None and damaged != batch.from_seq:
                self._declared(lost_from, batch.from_seq - 1)
                lost_from = None
            if damaged is not None:
                # What is before it has been stored. If nothing is, the loss goes on where it began.
                start, lost_from = damaged + 1, damaged if lost_from is None else lost_from
                continue
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
            start, gaps = gap, gaps + 1
        raise UplinkFault(JOURNAL_GAP, f"from={start}")

    def offer(self, journal_id: str, first: int, last: int) -> int | None:
        """Offer lines again that the store was told were lost, one batch: the number of the next one, None when all were
        offered. What it does with them is the agency's business: it keeps them apart and is alarmed (409
        ``journal-late`` or ``journal-fork``), for what follows them is stored already. Raises UplinkFault or LinkFault for
        any other answer, OSError: the store has not had them.
        """
        try:
            batch = self._lines.batch(first, last, MAX_BATCH)
        except UplinkFault as fault:
            further = self._lines.first_beyond(first, last) if fault.kind is JOURNAL_HOLE else None
            if further is None:
                return None  # the rest of the gap is lost here, too
            batch = self._lines.batch(further, last, MAX_BATCH)
        path = f"/journals/{journal_id}?from={batch.from_seq}"
        answer = self._client.request("POST", path, JOSE, batch.body)
        brought: set[str] = set()
        while (missing := _missing_key(answer)) is not None and missing not in brought:
            if not self._bring(journal_id, missing):
                raise _keyless(missing, answer)
            brought.add(missing)
            answer = self._client.request("POST", path, JOSE, batch.body)
        if answer.status != 200 and not _kept_apart(answer):
            raise _not_taken(answer)
        fields = {"from_seq": batch.from_seq, "to_seq": batch.last_seq, "status": answer.status}
        log.warning("journal.offered-again", extra={"fields": fields})
        return batch.last_seq + 1 if batch.last_seq < last else None

    def _bring(self, journal_id: str, kid: str) -> bool:
        """The line that brings the key ``kid`` to the store is lost, and nothing behind it can be judged. Every start of
        the unit writes another one: that goes up ahead of its turn. False where there is none."""
        for line in self._lines.boot_lines(kid):
            answer = self._client.request("POST", f"/journals/{journal_id}/keys", JOSE, line)
            if answer.status == 200:
                return True
            if answer.status != 422:  # that one has changed on the card
                raise fault_of(answer)
        return False

    def _batch(self, start: int, head_seq: int, lost_from: int | None) -> tuple[Batch, int | None]:
        """The lines from ``start`` on, or, where the card has lost them, from the next one it can read on; and the first
        one lost. The store takes them only if that is where it stands, and alarms the agency."""
        try:
            return self._lines.batch(start, head_seq, MAX_BATCH), lost_from
        except UplinkFault as fault:
            further = self._lines.first_beyond(start, head_seq) if fault.kind is JOURNAL_HOLE else None
            if further is None:
                raise
            return self._lines.batch(further, head_seq, MAX_BATCH), start if lost_from is None else lost_from

    def _damaged(self, answer: Answer, batch: Batch, head_seq: int) -> int | None:
        """The line the store has refused, if our own journal does not vouch for it either: it has changed on the card since
        it was written, and never will be taken. One that stands as it was written is no loss, and is not declared one."""
        seq = _refused(answer, batch)
        return None if seq is None or self._lines.vouched_for(seq, head_seq) else seq

    def _misnamed(self, answer: Answer, batch: Batch, head_seq: int) -> bool:
        """No key is missing: the line that names one nobody has has changed on the card since it was written."""
        seq = _refused(answer, batch)
        return seq is not None and self._lines.contradicted(seq, head_seq)

    def _declared(self, first: int, last: int) -> None:
        log.warning("journal.lost", extra={"fields": {"from_seq": first, "to_seq": last}})
        self._lost(UplinkFault(JOURNAL_UNREADABLE, f"seq {first}..{last} 已向存储申报丢失 declared lost to the store"))

    def _accepted(self, answer: Answer, start: int, last_seq: int) -> int:
        said = members(answer)
        if answer.status != 200:
            raise _not_taken(answer)
        next_seq, receipt = whole_number(said.get("next_seq")), said.get("receipt")
        if next_seq is None or next_seq <= start:
            raise UplinkFault(PROTOCOL, f"200 with next_seq {said.get('next_seq')!r} after {start}..{last_seq}")
        if not isinstance(receipt, str):
            raise UplinkFault(PROTOCOL, "200 without a receipt")
        self._carry(receipt)
        return next_seq


def _refused(answer: Answer, batch: Batch) -> int | None:
    """The line of the batch the store has refused for what it is (422)."""
    seq = whole_number(members(answer).get("seq")) if answer.status == 422 else None
    return seq if seq is not None and batch.from_seq <= seq <= batch.last_seq else None


def _missing_key(answer: Answer) -> str | None:
    """The key the store would need to judge the line it refused."""
    kid = members(answer).get("unknown_kid") if answer.status == 422 else None
    return kid if isinstance(kid, str) else None


def _keyless(kid: str, refused: Answer) -> UplinkFault:
    return UplinkFault(
        JOURNAL_INVALID,
        f"seq {members(refused).get('seq')}: 带来密钥的 boot 记录已损坏，待设备下次启动写入新的 "
        f"the boot record of its key {kid} is damaged; the unit's next start writes another",
    )


def _not_taken(answer: Answer) -> UplinkFault:
    """Lines were refused, or there was no answer of use."""
    said = members(answer)
    if answer.status == 422:
        return UplinkFault(JOURNAL_INVALID, f"seq {said.get('seq')}: {str(said.get('reason'))[:200]}")
    if answer.status == 409 and said.get("type") == GAP_TYPE:
        return UplinkFault(JOURNAL_GAP, f"next_seq {said.get('next_seq')}")
    return fault_of(answer)


def _kept_apart(answer: Answer) -> bool:
    """The lines contradict what is stored, and the store has put them aside."""
    return answer.status == 409 and members(answer).get("type") in APART_TYPES


def _fork(answer: Answer) -> UplinkFault:
    said = members(answer)
    if "fork" in str(said.get("type", "")):
        return UplinkFault(JOURNAL_FORK, f"seq {said.get('seq')}")
    return UplinkFault(PROTOCOL, f"409 without next_seq: {str(said)[:200]}")


def _not_behind(next_seq: int, head_seq: int) -> None:
    if next_seq > head_seq + 1:
        raise UplinkFault(JOURNAL_BEHIND, f"store has up to {next_seq - 1}, unit up to {head_seq}")
