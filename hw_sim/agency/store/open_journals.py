"""The journals of a store, each opened at its first use in a process and held by one request at a time.

Opening: the log is cut behind the last whole line, what it says of segments is read into the register from where the
register stands, and receipts a crash left unfiled are filed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.device_keys import DeviceKeys
from hw_sim.agency.store.journal_index import JournalIndex
from hw_sim.agency.store.journal_log import JournalLog
from hw_sim.agency.store.locks import Locks, StillHeld
from hw_sim.agency.store.problem import DAMAGED, LOCKED, NOT_FOUND, Problem
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import Register
from hw_sim.agency.store.vault import Vault
from recorder.evidence.trust import Trust

PATIENCE_S = 30.0
"""For another instance's work on the same journal: reading one after a start may take seconds."""
KEPT = 1024
"""Journals open in one process between requests, some 12 kB each. Beyond it the one not used for longest is closed, and
opened again at its next use: its last file is read, of 8 MiB at most."""


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
    users: int = 0
    """Requests that hold it or wait for it; under the lock of OpenJournals."""

    @property
    def closable(self) -> bool:
        """Nobody uses it, and nothing was found out about it that would be said again."""
        return not self.users and not self.damaged and not self.forks_full


class OpenJournals:
    """Thread-safe. ``locks``: between the instances that share ``root``."""

    def __init__(
        self,
        root: Path,
        register: Register,
        index: JournalIndex,
        receipts: ReceiptDesk,
        trust: Callable[[], Trust],
        clock: Clock,
        alarms: Alarms,
        locks: Locks | None,
        kept: int = KEPT,
    ) -> None:
        self._kept = kept
        self._root = root
        self._register = register
        self._index = index
        self._receipts = receipts
        self._trust = trust
        self._clock = clock
        self._alarms = alarms
        self._locks = locks
        self._lock = threading.Lock()
        self._journals: dict[tuple[str, str], Journal] = {}
        """The one used last at the end."""

    @property
    def count(self) -> int:
        """Journals open."""
        return len(self._journals)

    def all(self) -> list[tuple[str, str]]:
        """(unit_id, journal_id) of whatever is stored."""
        return [(path.parent.parent.name, path.parent.name) for path in sorted(self._root.glob("*/*/journal"))]

    def exists(self, unit_id: str, journal_id: str) -> bool:
        return (self._root / unit_id / journal_id / "journal").is_dir()

    def ahead(self, unit_id: str, journal_id: str) -> int:
        """The unit's other journals of which there is a key and no line yet."""
        keys = (path for path in (self._root / unit_id).glob("*/keys") if path.parent.name != journal_id)
        return sum(1 for path in keys if not self.exists(unit_id, path.parent.name))

    def require_owner(self, unit_id: str, journal_id: str) -> None:
        """Another unit's journal does not exist for this one."""
        owner = self._register.owner(journal_id)
        if owner is not None and owner != unit_id:
            raise Problem(NOT_FOUND, f"journal {journal_id}")

    @contextmanager
    def hold(self, unit_id: str, journal_id: str) -> Iterator[Journal]:
        """The journal, open, nobody else's meanwhile. Raises Problem: damaged, or held by another instance for too long."""
        with self._used(unit_id, journal_id) as journal, journal.lock, self._between_instances(journal_id):
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
    def _used(self, unit_id: str, journal_id: str) -> Iterator[Journal]:
        """The journal, not closed meanwhile: whoever uses it at the same time gets this same one, and its lock."""
        name = unit_id, journal_id
        with self._lock:
            journal = self._journals.pop(name, None)
            if journal is None:
                vault = Vault(self._root, unit_id, journal_id)
                journal = Journal(
                    vault,
                    JournalLog(vault.path / "journal"),
                    DeviceKeys(vault.path / "keys", unit_id, self._trust, self._clock),
                )
            self._journals[name] = journal
            journal.users += 1
        try:
            yield journal
        finally:
            with self._lock:
                journal.users -= 1
                excess = len(self._journals) - self._kept
                if excess > 0:
                    closable = (name for name, journal in self._journals.items() if journal.closable)
                    for idle in list(islice(closable, excess)):
                        del self._journals[idle]

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
