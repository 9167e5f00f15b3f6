"""Journal ingest: lines are judged, durable and read into the register before they are answered for."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.contradictions import Contradictions
from hw_sim.agency.store.disk import FULL
from hw_sim.agency.store.journal_index import JournalIndex
from hw_sim.agency.store.journal_log import MOST_LINES
from hw_sim.agency.store.journal_rules import Accepted, Head, KeyRefused, Keys, introduced, judge, split_body
from hw_sim.agency.store.keeping import KeptStatement
from hw_sim.agency.store.open_journals import Journal, OpenJournals
from hw_sim.agency.store.placing import Placer
from hw_sim.agency.store.problem import (
    BAD_REQUEST,
    JOURNAL_GAP,
    JOURNAL_INVALID,
    NOT_FOUND,
    STORE_FULL,
    TOO_MANY,
    Problem,
)
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Named
from hw_sim.agency.store.register_problem import register_problems
from hw_sim.agency.store.statement_shelf import StatementShelf
from recorder.evidence.jws import JwsError
from recorder.evidence.records import Statement

log = logging.getLogger("agency.store")

MAX_BODY = 4 << 20
MOST_LOST = 10**8
"""Lines a unit may declare lost at once: more than three years of a line a second. What is beyond is no loss of a card but
an error, or somebody who wants the journal to end."""
MOST_AHEAD = 16
"""Journals of one unit that have a key and no line yet. Whoever has the unit's key can sign as many beginnings as he likes;
a unit needs one, of a journal whose first line its card has lost, and the lines follow at once."""
AHEAD_RETRY_S = 600


class JournalDesk:
    """``published(receipt)``: tells the unit over MQTT."""

    def __init__(
        self,
        journals: OpenJournals,
        index: JournalIndex,
        receipts: ReceiptDesk,
        placer: Placer,
        alarms: Alarms,
        published: Callable[[IssuedReceipt], None],
        statements: StatementShelf,
    ) -> None:
        self._open = journals
        self._index = index
        self._receipts = receipts
        self._placer = placer
        self._alarms = alarms
        self._contradictions = Contradictions(alarms)
        self._published = published
        self._statements = statements

    # --- requests ----------------------------------------------------------------------------------------------------

    @register_problems()
    def position(self, unit_id: str, journal_id: str) -> dict[str, Any]:
        """GET: where the store is. Problem 404 when it has nothing."""
        self._open.require_owner(unit_id, journal_id)
        if self._open.exists(unit_id, journal_id):
            with self._open.hold(unit_id, journal_id) as journal:
                if journal.log.head.next_seq:
                    return _position(journal.log.head)
        raise Problem(NOT_FOUND, f"journal {journal_id}")

    @register_problems()
    def post(
        self, unit_id: str, journal_id: str, from_seq: int, body: bytes, after: int | None = None
    ) -> dict[str, Any]:
        """POST: store what continues the journal and answer with a receipt over its head. Raises Problem.

        ``after``: the unit has lost the lines from there to ``from_seq`` for good. What it still has is taken: the gap is
        alarmed and stands in every receipt from then on.
        """
        if not body:
            raise Problem(BAD_REQUEST, "no lines")
        lines = split_body(body)
        if from_seq + len(lines) > MOST_LINES:
            raise Problem(BAD_REQUEST, f"from={from_seq}: 序号过大 no journal has as many lines")
        self._open.require_owner(unit_id, journal_id)
        if from_seq > 0 and after != 0 and not self._open.exists(unit_id, journal_id):
            raise Problem(JOURNAL_GAP, f"from {from_seq}, have nothing", next_seq=0)
        with self._open.hold(unit_id, journal_id) as journal:
            head = journal.log.head
            gap = from_seq > head.next_seq
            if gap and after != head.next_seq:
                raise Problem(JOURNAL_GAP, f"from {from_seq}, have {head.next_seq}", next_seq=head.next_seq)
            keys = _keys(journal)
            if from_seq - head.next_seq > MOST_LOST:
                raise Problem(BAD_REQUEST, f"from={from_seq}: 缺口过大 too wide a gap, have {head.next_seq}")
            stored = journal.log.aligned(from_seq)
            judgement = judge(unit_id, journal_id, head, from_seq, lines, stored, keys, gap)
            for key in judgement.new_keys:
                journal.keys.adopt(key)
            self._store(journal, judgement.accepted)
            if judgement.refusal is not None:
                raise self._contradictions.refuse(
                    journal, judgement.refusal, body, lines[judgement.refusal.seq - from_seq]
                )
            records = [item.record for item in judgement.accepted]
            placed = self._placer.place_named(journal.vault, records)
            stated = self._stated(journal, [item.statement_id for item in records if isinstance(item, Statement)])
            receipt = self._receipts.issue(journal.vault, journal.log.head, placed, stated)
            self._placer.clean(placed)
            answer = {**_position(journal.log.head), "receipt": receipt.jws}
        if placed or stated:
            self._published(receipt)
        return answer

    @register_problems()
    def introduce(self, unit_id: str, journal_id: str, body: bytes) -> str:
        """A ``boot`` line ahead of its turn: the key it brings (its ``kid``) is known from now on. The line itself is
        stored when its turn comes. Raises Problem 422; 429 when too many journals have nothing but a key."""
        self._open.require_owner(unit_id, journal_id)
        with self._open.hold(unit_id, journal_id) as journal:
            try:
                key = introduced(unit_id, journal_id, body.removesuffix(b"\n"), _keys(journal))
            except (JwsError, KeyRefused) as error:
                raise Problem(JOURNAL_INVALID, str(error), reason=str(error)) from error
            begun = self._open.exists(unit_id, journal_id)
            if not begun and self._open.ahead(unit_id, journal_id) >= MOST_AHEAD:
                log.warning("%s: %d journals have a key and no line, no further one is begun so", unit_id, MOST_AHEAD)
                raise Problem(
                    TOO_MANY,
                    f"{MOST_AHEAD} journals have a key and no line",
                    headers={"Retry-After": str(AHEAD_RETRY_S)},
                )
            journal.keys.adopt(key)
        return key.kid

    @register_problems()
    def settle(self, named: Named) -> None:
        """A segment's bytes are whole and the journal names it: place it, register it, issue its receipt.

        Does nothing when that has happened already, or while the object store is in trouble. Raises OSError."""
        with self._open.hold(named.unit_id, named.journal_id) as journal:
            placed = self._placer.place(journal.vault, named)
            if placed is None:
                return
            receipt = self._receipts.issue(journal.vault, journal.log.head, [placed])
            self._placer.clean([placed])
        self._published(receipt)

    @register_problems()
    def settle_statement(self, unit_id: str, journal_id: str, statement_id: str) -> None:
        """The same for the document of a written statement. Problem 404 for a journal that is not this unit's."""
        self._open.require_owner(unit_id, journal_id)
        if not self._open.exists(unit_id, journal_id):
            return
        with self._open.hold(unit_id, journal_id) as journal:
            stated = self._stated(journal, [statement_id])
            if not stated:
                return
            receipt = self._receipts.issue(journal.vault, journal.log.head, [], stated)
        self._published(receipt)

    def recover(self) -> None:
        """Open every journal there is: what a crash interrupted is finished here, not at the unit's next visit. One that
        fails, for whatever reason, is alarmed and does not hold up the others."""
        for unit_id, journal_id in self._open.all():
            try:
                with self._open.hold(unit_id, journal_id):
                    log.info("journal %s of %s open", journal_id, unit_id)
            except Problem as problem:
                log.error("journal %s: %s", journal_id, problem)  # said already, or busy
            except Exception as error:
                log.exception("journal %s", journal_id)
                self._alarms.raise_alarm(
                    "journal-unopened",
                    "启动时无法打开该日志，其余日志不受影响",
                    "this journal could not be opened at the start; the others are not affected",
                    unit_id=unit_id,
                    journal_id=journal_id,
                    error=f"{type(error).__name__}: {error}"[:500],
                )

    # --- storing -----------------------------------------------------------------------------------------------------

    def _store(self, journal: Journal, accepted: list[Accepted]) -> None:
        if not accepted:
            return
        unit_id, journal_id, since = journal.vault.unit_id, journal.vault.journal_id, journal.log.head.next_seq
        lines = [(Head(item.seq + 1, item.digest, item.kid), item.record) for item in accepted]
        # Until the register has read them too: whatever ends this in between, the journal is opened anew, which reads them.
        journal.opened = False
        try:
            journal.log.append(lines[-1][0], [item.line for item in accepted])
            self._index.add(unit_id, journal_id, since, lines)
        except OSError as error:
            if error.errno in FULL:
                raise Problem(STORE_FULL, f"journal: {error.strerror}") from error
            raise
        journal.opened = True

    def _stated(self, journal: Journal, statement_ids: list[str]) -> list[KeptStatement]:
        found = [self._statements.settle(journal.vault, statement_id) for statement_id in statement_ids]
        return [kept for kept in found if kept is not None]


def _keys(journal: Journal) -> Keys:
    return Keys(journal.keys.known, journal.keys.good, journal.keys.introduce)


def _position(head: Head) -> dict[str, Any]:
    return {"next_seq": head.next_seq, "head_seq": head.next_seq - 1, "head_digest": head.digest}
