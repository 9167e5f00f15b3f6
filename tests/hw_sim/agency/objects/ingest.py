"""The ingest service without its server, built anew after each death; its edges are doubles that watch, or die."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.ports import Content, Lock, ObjectStore, StoredVersion
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.desks import Ground, put_together
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.quota import UnitLimits
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import BUSY_MS, IssuedReceipt, Register
from hw_sim.agency.store.segments import Claim, Limits, SegmentDesk
from hw_sim.agency.store.staging import Staging
from recorder.evidence.jws import Signer
from recorder.evidence.records import LockMode
from recorder.evidence.trust import Trust
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble

RETAIN_S = 183 * 86400.0

Step = Callable[[str], None]
"""Called with the name of each step, before and after it; may raise."""


class Died(BaseException):
    """The process is gone: nothing catches it, nothing is tidied up but what the kernel would."""


@dataclass(slots=True)
class WatchedStore:
    """An ObjectStore that tells each step."""

    inner: ObjectStore
    step: Step

    @property
    def lock_mode(self) -> LockMode:
        return self.inner.lock_mode

    def put_locked(self, key: str, source: Path, content: Content, retain_until: float) -> StoredVersion:
        self.step("before put")
        stored = self.inner.put_locked(key, source, content, retain_until)
        self.step("after put")
        return stored

    def digest_of(self, stored: StoredVersion) -> Content:
        found = self.inner.digest_of(stored)
        self.step("digest read back")
        return found

    def lock_of(self, stored: StoredVersion) -> Lock:
        found = self.inner.lock_of(stored)
        self.step("lock read back")
        return found

    def open(self, stored: StoredVersion) -> AbstractContextManager[Iterator[bytes]]:
        return self.inner.open(stored)


@dataclass(slots=True)
class WatchedSigner:
    """A Signer that tells each signature over a receipt with segments."""

    inner: Signer
    step: Step

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def sign(self, data: bytes) -> bytes:
        self.step("before signing")
        signature = self.inner.sign(data)
        self.step("after signing")
        return signature


@dataclass(slots=True)
class Ingest:
    root: Path
    clock: Clock
    signer: Signer
    trust: Callable[[], Trust]
    published: list[IssuedReceipt] = field(default_factory=list)
    register: Register = field(init=False)
    segments: SegmentDesk = field(init=False)
    journals: JournalDesk = field(init=False)
    staging: Staging = field(init=False)

    def live(self, objects: ObjectStore, step: Step, busy_ms: int = BUSY_MS) -> None:
        """A new process on this root."""
        self.register = Register(self.root / "store.db", busy_ms)
        self.staging = Staging(self.root / "staging", self.register, self.clock)
        alarms = Alarms(self.root / "alarms.log", self.clock)
        receipts = ReceiptDesk(self.register, WatchedSigner(self.signer, step), self.clock, "test")
        keeper = Keeper(WatchedStore(objects, step), self.clock, RETAIN_S)

        def publish(receipt: IssuedReceipt) -> None:
            step("before publishing")
            self.published.append(receipt)

        ground = Ground(
            self.root,
            self.register,
            self.staging,
            receipts,
            keeper,
            self.trust,
            self.clock,
            alarms,
            Holders(1.0),
            publish,
        )
        made = put_together(ground, Limits(reserve=0), UnitLimits())
        self.journals, self.segments = made.journals, made.segments
        self.journals.recover()
        self.segments.recover()

    def die(self) -> None:
        self.register.close()

    def post(self, unit: UnitDouble) -> None:
        self.journals.post(unit.unit_id, unit.journal_id, 0, unit.body(0))

    def upload(self, unit: UnitDouble, segment: DoubleSegment) -> None:
        """From wherever the store is, as a unit would."""
        claim = Claim(unit.journal_id, segment.session_id, segment.segment_id, segment.sha256, len(segment.data))
        place = self.segments.create(unit.unit_id, claim, None)
        rest = memoryview(segment.data)[place.offset :]

        def read(buffer: memoryview) -> int:
            nonlocal rest
            count = min(len(buffer), len(rest))
            buffer[:count] = rest[:count]
            rest = rest[count:]
            return count

        if rest:
            self.segments.patch(unit.unit_id, place.upload_id, place.offset, len(rest), read, None)
