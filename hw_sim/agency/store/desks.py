"""The desks of one process put together: what takes journals, segments and statements, over one register and one vault."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.apart import ApartDesk
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.journal_index import JournalIndex
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.locks import Locks
from hw_sim.agency.store.open_journals import OpenJournals
from hw_sim.agency.store.placing import Placer
from hw_sim.agency.store.quota import QuotaDesk, UnitLimits
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Register
from hw_sim.agency.store.segments import Limits, SegmentDesk
from hw_sim.agency.store.staging import Staging
from hw_sim.agency.store.statement_shelf import StatementShelf
from hw_sim.agency.store.troubles import Troubles
from recorder.evidence.trust import Trust


@dataclass(frozen=True, slots=True)
class Ground:
    """What the desks stand on. ``trust()``: the CA and the revocation list as they are now; ``published(receipt)``: tells
    the unit over MQTT; ``locks``: between the instances that share ``root``."""

    root: Path
    register: Register
    staging: Staging
    receipts: ReceiptDesk
    keeper: Keeper
    trust: Callable[[], Trust]
    clock: Clock
    alarms: Alarms
    holders: Holders
    published: Callable[[IssuedReceipt], None]
    locks: Locks | None = None


@dataclass(frozen=True, slots=True)
class Desks:
    journals: JournalDesk
    segments: SegmentDesk
    shelf: StatementShelf
    apart: ApartDesk


def put_together(ground: Ground, limits: Limits, unit_limits: UnitLimits) -> Desks:
    register, alarms, clock = ground.register, ground.alarms, ground.clock
    apart = ApartDesk(register, alarms, clock, ground.root, unit_limits.apart_bytes)
    shelf = StatementShelf(ground.root / "staging" / "statements", register, ground.keeper, apart)
    index = JournalIndex(register, shelf, alarms)
    opened = OpenJournals(ground.root, register, index, ground.receipts, ground.trust, clock, alarms, ground.locks)
    placer = Placer(register, ground.keeper, Troubles(alarms, clock), apart, ground.staging.whole)
    journals = JournalDesk(opened, index, ground.receipts, placer, alarms, ground.published, shelf)
    quota = QuotaDesk(register, unit_limits, alarms, clock)
    segments = SegmentDesk(register, ground.staging, journals, alarms, limits, ground.holders, quota, apart)
    return Desks(journals, segments, shelf, apart)
