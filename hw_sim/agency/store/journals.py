"""Journal ingest: one desk for all journals, one lock per journal; lines are durable before they are answered for.

A journal is opened at its first use in a process: its log is cut behind the last whole line, what it says of segments is
read into the register from where the register stands, and receipts a crash left unfiled are filed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.ports import ObjectConflict, ObjectStoreError
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.device_keys import DeviceKeys
from hw_sim.agency.store.disk import FULL
from hw_sim.agency.store.journal_index import JournalIndex
from hw_sim.agency.store.journal_log import MOST_LINES, JournalLog
from hw_sim.agency.store.journal_rules import (
    Accepted,
    Head,
    Keys,
    Refusal,
    judge,
    split_body,
)
from hw_sim.agency.store.keeping import Keeper, Kept, KeptStatement
from hw_sim.agency.store.locks import Locks, StillHeld
from hw_sim.agency.store.problem import (
    BAD_REQUEST,
    DAMAGED,
    JOURNAL_FORK,
    JOURNAL_GAP,
    JOURNAL_INVALID,
    JOURNAL_LATE,
    LOCKED,
    NOT_FOUND,
    STORE_FULL,
    Problem,
)
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Named, Register
from hw_sim.agency.store.register_problem import register_problems
from hw_sim.agency.store.statement_shelf import StatementShelf
from hw_sim.agency.store.troubles import Troubles
from hw_sim.agency.store.vault import MOST_FORKS, Vault
from recorder.evidence.records import Record, Recovery, SegmentClose, Statement
from recorder.evidence.trust import Trust

log = logging.getLogger("agency.store")

MAX_BODY = 4 << 20
MOST_LOST = 10**8
"""Lines a unit may declare lost at once: more than three years of a line a second. What is beyond is no loss of a card but
an error, or somebody who wants the journal to end."""
INLINE_BYTES = 64 << 20
"""How much a journal post stores in the object store before it is answered; the rest follows with ``settle``."""

PATIENCE_S = 30.0
"""For another instance's work on the same journal: reading one after a start may take seconds."""

_SIGNED_BUT = {
    "fork": "同一设备签出了不同的日志",
    "late": "曾申报丢失的日志行后来出现，已另存",
    "broken": "已签名的日志行与已存的链不连续",
}


@dataclass(slots=True)
class Journal:
    """An open journal. Everything in it is used under ``lock``."""

    vault: Vault
    log: JournalLog
    keys: DeviceKeys
    lock: threading.RLock = field(default_factory=threading.RLock)
    opened: bool = False
    damaged: str = ""
    """Why nothing more is stored here until somebody has looked; empty: sound."""
    forks_full: bool = False
    """It has been said that no more contradictions are kept."""


class JournalDesk:
    """``staged(upload_id)``: path of a verified upload's bytes; ``published(receipt)``: tells the unit over MQTT."""

    def __init__(
        self,
        root: Path,
        register: Register,
        receipts: ReceiptDesk,
        keeper: Keeper,
        trust: Callable[[], Trust],
        clock: Clock,
        alarms: Alarms,
        staged: Callable[[str], Path],
        published: Callable[[IssuedReceipt], None],
        statements: StatementShelf,
        locks: Locks | None = None,
    ) -> None:
        """``locks``: between the instances that share ``root``."""
        self._root = root
        self._register = register
        self._receipts = receipts
        self._keeper = keeper
        self._troubles = Troubles(alarms, clock)
        self._trust = trust
        self._clock = clock
        self._alarms = alarms
        self._staged = staged
        self._published = published
        self._statements = statements
        self._index = JournalIndex(register, statements, alarms)
        self._locks = locks
        self._lock = threading.Lock()
        self._journals: dict[tuple[str, str], Journal] = {}

    # --- requests ----------------------------------------------------------------------------------------------------

    @register_problems()
    def position(self, unit_id: str, journal_id: str) -> dict[str, Any]:
        """GET: where the store is. Problem 404 when it has nothing."""
        self._require_owner(unit_id, journal_id)
        if self._exists(unit_id, journal_id):
            with self._journal(unit_id, journal_id) as journal:
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
        self._require_owner(unit_id, journal_id)
        if from_seq > 0 and after != 0 and not self._exists(unit_id, journal_id):
            raise Problem(JOURNAL_GAP, f"from {from_seq}, have nothing", next_seq=0)
        with self._journal(unit_id, journal_id) as journal:
            head = journal.log.head
            gap = from_seq > head.next_seq
            if gap and after != head.next_seq:
                raise Problem(JOURNAL_GAP, f"from {from_seq}, have {head.next_seq}", next_seq=head.next_seq)
            keys = Keys(journal.keys.known, journal.keys.introduce)
            if from_seq - head.next_seq > MOST_LOST:
                raise Problem(BAD_REQUEST, f"from={from_seq}: 缺口过大 too wide a gap, have {head.next_seq}")
            stored = journal.log.aligned(from_seq)
            judgement = judge(unit_id, journal_id, head, from_seq, lines, stored, keys, gap)
            for key in judgement.new_keys:
                journal.keys.adopt(key)
            self._store(journal, judgement.accepted)
            if judgement.refusal is not None:
                raise self._refuse(journal, judgement.refusal, body, lines[judgement.refusal.seq - from_seq])
            records = [item.record for item in judgement.accepted]
            placed = self._settle_named(journal, records)
            stated = self._settle_stated(
                journal, [item.statement_id for item in records if isinstance(item, Statement)]
            )
            receipt = self._receipts.issue(journal.vault, journal.log.head, placed, stated)
            self._clean_staging(placed)
            answer = {**_position(journal.log.head), "receipt": receipt.jws}
        if placed or stated:
            self._published(receipt)
        return answer

    @register_problems()
    def settle(self, named: Named) -> None:
        """A segment's bytes are whole and the journal names it: place it, register it, issue its receipt.

        Does nothing when that has happened already, or while the object store is in trouble. Raises OSError."""
        with self._journal(named.unit_id, named.journal_id) as journal:
            placed = self._place(journal, named)
            if placed is None:
                return
            receipt = self._receipts.issue(journal.vault, journal.log.head, [placed])
            self._clean_staging([placed])
        self._published(receipt)

    @register_problems()
    def settle_statement(self, unit_id: str, journal_id: str, statement_id: str) -> None:
        """The same for the document of a written statement. Problem 404 for a journal that is not this unit's."""
        self._require_owner(unit_id, journal_id)
        if not self._exists(unit_id, journal_id):
            return
        with self._journal(unit_id, journal_id) as journal:
            stated = self._settle_stated(journal, [statement_id])
            if not stated:
                return
            receipt = self._receipts.issue(journal.vault, journal.log.head, [], stated)
        self._published(receipt)

    def recover(self) -> None:
        """Open every journal there is: what a crash interrupted is finished here, not at the unit's next visit. One that
        fails, for whatever reason, is alarmed and does not hold up the others."""
        for path in sorted(self._root.glob("*/*/journal")):
            try:
                with self._journal(path.parent.parent.name, path.parent.name):
                    log.info("journal %s of %s open", path.parent.name, path.parent.parent.name)
            except Problem as problem:
                log.error("journal %s: %s", path.parent.name, problem)  # said already, or busy
            except Exception as error:
                log.exception("journal %s", path.parent.name)
                self._alarms.raise_alarm(
                    "journal-unopened",
                    "启动时无法打开该日志，其余日志不受影响",
                    "this journal could not be opened at the start; the others are not affected",
                    unit_id=path.parent.parent.name,
                    journal_id=path.parent.name,
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

    def _refuse(self, journal: Journal, refusal: Refusal, body: bytes, line: bytes) -> Problem:
        if refusal.kind == "invalid":
            return Problem(JOURNAL_INVALID, refusal.reason, seq=refusal.seq, reason=refusal.reason)
        self._set_aside(journal, refusal, body, line)
        if refusal.kind == "late":
            # With next_seq the unit goes on where the store stands, as after a gap.
            return Problem(JOURNAL_LATE, refusal.reason, seq=refusal.seq, next_seq=journal.log.head.next_seq)
        if refusal.kind == "fork":
            return Problem(JOURNAL_FORK, refusal.reason, seq=refusal.seq)
        return Problem(JOURNAL_INVALID, refusal.reason, seq=refusal.seq, reason=refusal.reason)

    def _set_aside(self, journal: Journal, refusal: Refusal, body: bytes, line: bytes) -> None:
        """Alarmed once for each first line that differs, before it is kept: a crash in between says it twice, never not."""
        vault = journal.vault
        kept = vault.fork_name(refusal.seq, line)
        new = not vault.has_fork(kept)
        where = {"unit_id": vault.unit_id, "journal_id": vault.journal_id, "seq": refusal.seq}
        if new and not vault.has_room_for_fork():
            if not journal.forks_full:
                journal.forks_full = True
                self._alarms.raise_alarm(
                    "journal-forks-full",
                    "该日志另存的行已达上限，其后的不再另存",
                    f"{MOST_FORKS} contradictions of this journal are kept apart; no further ones are",
                    **where,
                )
            return
        if new:
            self._alarms.raise_alarm(
                f"journal-{refusal.kind}", _SIGNED_BUT[refusal.kind], refusal.reason, kept=kept, **where
            )
        vault.keep_fork(kept, line, body)

    # --- segments ----------------------------------------------------------------------------------------------------

    def _settle_named(self, journal: Journal, records: list[Record | None]) -> list[Kept]:
        placed: list[Kept] = []
        for record in records:
            if sum(kept.named.size for kept in placed) >= INLINE_BYTES:
                break  # the unit waits for its answer
            if isinstance(record, SegmentClose | Recovery) and record.segment_id is not None:
                named = self._register.named(journal.vault.unit_id, record.segment_id)
                item = None if named is None else self._place(journal, named)
                if item is not None:
                    placed.append(item)
        return placed

    def _settle_stated(self, journal: Journal, statement_ids: list[str]) -> list[KeptStatement]:
        found = [self._statements.settle(journal.vault, statement_id) for statement_id in statement_ids]
        return [kept for kept in found if kept is not None]

    def _place(self, journal: Journal, named: Named) -> Kept | None:
        """Place the whole upload that fits; set others aside. None: nothing to place (any more), or not now."""
        stored = self._register.object(named.unit_id, named.segment_id) is not None
        kept = None
        for upload in self._register.uploads_of(named.unit_id, named.segment_id):
            if upload.state != "whole":
                continue
            whole = self._staged(upload.upload_id)
            if (upload.sha256, upload.size) == (named.sha256, named.size) and not stored:
                if not self._troubles.may_try():
                    continue
                try:
                    kept = self._keeper.keep(whole, named)
                    self._troubles.over(named)
                    continue
                except ObjectConflict:
                    log.exception("object name taken")
                except ObjectStoreError as error:
                    self._troubles.met(named, error)
                    continue
            journal.vault.set_aside(whole, upload.segment_id, upload.sha256)
            self._register.upload_state(upload.upload_id, "conflict")
            self._alarms.raise_alarm(
                "digest-conflict",
                "上传的片段与日志记载的摘要不符，已另存",
                "uploaded bytes contradict the journal's digest; kept apart",
                unit_id=named.unit_id,
                segment_id=named.segment_id,
                uploaded=upload.sha256,
                journal=named.sha256,
            )
        return kept

    def _clean_staging(self, placed: list[Kept]) -> None:
        """The staged name of placed bytes is no longer needed once they are registered."""
        for named in [kept.named for kept in placed]:
            for upload in self._register.uploads_of(named.unit_id, named.segment_id):
                if upload.state == "stored":
                    self._staged(upload.upload_id).unlink(missing_ok=True)

    # --- opening -----------------------------------------------------------------------------------------------------

    def _exists(self, unit_id: str, journal_id: str) -> bool:
        return (self._root / unit_id / journal_id / "journal").is_dir()

    def _require_owner(self, unit_id: str, journal_id: str) -> None:
        """Another unit's journal does not exist for this one."""
        owner = self._register.owner(journal_id)
        if owner is not None and owner != unit_id:
            raise Problem(NOT_FOUND, f"journal {journal_id}")

    @contextmanager
    def _journal(self, unit_id: str, journal_id: str) -> Iterator[Journal]:
        with self._lock:
            journal = self._journals.get((unit_id, journal_id))
            if journal is None:
                vault = Vault(self._root, unit_id, journal_id)
                journal = Journal(
                    vault,
                    JournalLog(vault.path / "journal"),
                    DeviceKeys(vault.path / "keys", unit_id, self._trust, self._clock),
                )
                self._journals[unit_id, journal_id] = journal
        with journal.lock, self._between_instances(journal_id):
            if journal.damaged:
                raise Problem(DAMAGED, journal.damaged)
            if not journal.opened or not journal.log.ready:
                self._open(journal)
            elif self._locks is not None and not journal.log.current():
                journal.log.catch_up()  # another instance has appended
            if self._index.behind(journal_id, journal.log.head):
                self._open(journal)  # and did not come to reading it into the register
            yield journal

    @contextmanager
    def _between_instances(self, journal_id: str) -> Iterator[None]:
        if self._locks is None:
            yield
            return
        try:
            with self._locks.hold(f"journal {journal_id}", PATIENCE_S):
                yield
        except StillHeld as error:
            raise Problem(LOCKED, f"journal {journal_id}", headers={"Retry-After": "2"}) from error

    def _open(self, journal: Journal) -> None:
        journal.opened = False
        journal.vault.sweep()
        try:
            head = journal.log.open()
        except ValueError as error:
            raise self._damaged(journal, f"last line: {error}") from error
        indexed = self._register.indexed(journal.vault.journal_id)
        if head.next_seq > indexed:
            try:
                self._index.catch_up(journal.vault.unit_id, journal.vault.journal_id, journal.log)
            except (ValueError, OverflowError) as error:
                raise self._damaged(journal, f"lines from {indexed} on: {error}") from error
        elif head.next_seq < indexed:
            # Only somebody's hand on the vault can do this: lines were durable before they were counted.
            raise self._damaged(journal, f"{head.next_seq} lines, registered {indexed}")
        if head.next_seq:
            self._receipts.refile(journal.vault)
        journal.opened = True

    def _damaged(self, journal: Journal, reason: str) -> Problem:
        journal.damaged = reason
        self._alarms.raise_alarm(
            "journal-damaged",
            "存储的日志已损坏，停止接收",
            "the stored journal is damaged; nothing more is stored in it",
            unit_id=journal.vault.unit_id,
            journal_id=journal.vault.journal_id,
            reason=reason,
        )
        return Problem(DAMAGED, reason)


def _position(head: Head) -> dict[str, Any]:
    return {"next_seq": head.next_seq, "head_seq": head.next_seq - 1, "head_digest": head.digest}
