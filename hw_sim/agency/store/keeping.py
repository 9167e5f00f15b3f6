"""From verified, named bytes in staging to an object a receipt may speak of.

The order, which the receipt relies on: identity (TLS) → journal signature and chain (``journal_rules``) → size and digest
of the staged bytes (``staging``) → here: put, digest and size *read back from the locked object*, lock read back → signed
and registered in one transaction → filed → published. Only what the journal names is ever put: a lock nobody can lift
would otherwise let a unit fill the store with what nobody will ever look at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.ports import (
    Content,
    LockMissing,
    ObjectDamaged,
    ObjectStore,
    segment_key,
    statement_key,
)
from hw_sim.agency.store.named_statements import NamedStatement
from hw_sim.agency.store.register import Named
from recorder.evidence.records import LockMode

MARGIN_S = 3600.0
"""Added to the term: between the put and the signature of the receipt a repeat or a slow store may pass, and the term
counts from the receipt's ``stored_at``."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A named segment in the object store, read back. ``retain_until``: the lock's date, or the agency's promise where the
    store keeps none."""

    named: Named
    key: str
    version: str
    lock_mode: LockMode
    retain_until: float


@dataclass(frozen=True, slots=True)
class KeptStatement:
    """The same of the document of a written statement."""

    named: NamedStatement
    key: str
    version: str
    lock_mode: LockMode
    retain_until: float


class Keeper:
    """``retain_s``: how long the agency keeps a segment at least (it decides that itself: 办法, 保存期限)."""

    def __init__(self, objects: ObjectStore, clock: Clock, retain_s: float) -> None:
        self._objects = objects
        self._clock = clock
        self._retain_s = retain_s

    def keep(self, whole: Path, named: Named) -> Kept:
        """Repeatable after a crash at any point. Raises ObjectConflict, ObjectDamaged, LockMissing, another
        ObjectStoreError, OSError."""
        key = segment_key(named.unit_id, named.journal_id, named.session_id, named.segment_id, named.suffix)
        version, mode, until = self._locked(key, whole, Content(named.sha256, named.size))
        return Kept(named, key, version, mode, until)

    def keep_statement(self, whole: Path, named: NamedStatement) -> KeptStatement:
        """The document of a written statement, in the same way and with the same errors."""
        key = statement_key(named.unit_id, named.journal_id, named.statement_id, named.sealed)
        version, mode, until = self._locked(key, whole, Content(named.sha256, named.size))
        return KeptStatement(named, key, version, mode, until)

    def _locked(self, key: str, whole: Path, wanted: Content) -> tuple[str, LockMode, float]:
        """(version, lock mode, until when)."""
        until = self._clock.wall_us() / 1e6 + self._retain_s + MARGIN_S
        stored = self._objects.put_locked(key, whole, wanted, until)
        found = self._objects.digest_of(stored)
        if found != wanted:
            raise ObjectDamaged(
                f"{key} ({stored.version}): 读出 read back {found.size} bytes {found.sha256}, "
                f"应为 must be {wanted.size} bytes {wanted.sha256}"
            )
        lock = self._objects.lock_of(stored)
        if lock.mode != self._objects.lock_mode:
            raise LockMissing(f"{key} ({stored.version}): 锁定方式 lock is {lock.mode}, not {self._objects.lock_mode}")
        if lock.retain_until is not None and lock.retain_until < until:
            raise LockMissing(
                f"{key} ({stored.version}): 锁定期至 locked until {lock.retain_until:.0f}, not {until:.0f}"
            )
        return stored.version, lock.mode, lock.retain_until or until
