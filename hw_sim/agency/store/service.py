"""One instance of the store: its parts, and what it does when. Composition root of ``python -m hw_sim.agency.store``.

Alone on its root an instance does everything. Several instances on one root (``shared``) answer requests all alike; one of
them, the leader, also recovers what a crash left, keeps house and speaks MQTT. Its lead ends with its process, and another
takes over.
"""

from __future__ import annotations

import fcntl
import logging
import os
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.objects.ports import ObjectStore
from hw_sim.agency.store.admin import FleetDesk
from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.desks import Ground, put_together
from hw_sim.agency.store.fleet import Fleet
from hw_sim.agency.store.holders import Holders
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import Door, IngestServer
from hw_sim.agency.store.instances import Instances
from hw_sim.agency.store.journal_routes import JournalRoutes
from hw_sim.agency.store.keeping import Keeper
from hw_sim.agency.store.lead import Step, Takeover
from hw_sim.agency.store.locks import Locks
from hw_sim.agency.store.quota import Gate, UnitLimits
from hw_sim.agency.store.receipts import ReceiptDesk
from hw_sim.agency.store.register import IssuedReceipt, Register
from hw_sim.agency.store.segments import Limits
from hw_sim.agency.store.staging import Staging
from hw_sim.agency.store.statements import StatementDesk
from hw_sim.agency.store.tls import AgencyTrust
from hw_sim.agency.store.upload_routes import UploadRoutes
from recorder.evidence.signer import FileSigner, load_key
from recorder.fleet.gauge import SlotLimits

log = logging.getLogger("agency.store")

HOUSEKEEPING_S = 60.0
LEAD_POLL_S = 1.0
HOLD_PATIENCE_S = 10.0
LET_GO, PUBLISH = "let-go", "publish"


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int
    tls_dir: Path


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """``store_key``: the P-256 key that signs receipts, there already: one made here would be one no unit believes.
    ``credentials_dir``: systemd's, where the key may lie; ``name`` their ``iss``; ``retain_s`` how long objects are kept.
    ``slots``: upload slots to grant; None: none are granted, units upload as they like."""

    root: Path
    store_key: Path
    credentials_dir: Path | None = None
    name: str = "demo-store"
    retain_s: float = 183 * 86400.0
    shared: bool = False
    broker: BrokerAddress | None = None
    limits: Limits = field(default_factory=Limits)
    unit_limits: UnitLimits = field(default_factory=UnitLimits)
    timeouts: Timeouts = field(default_factory=Timeouts)
    slots: SlotLimits | None = None


def lock_root(root: Path, shared: bool) -> int:
    """One store per root, or any number of instances that share it. The lock goes with the process, however it ends.

    Raises BlockingIOError."""
    fd = os.open(root / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    return fd


class Instance:
    """``run`` serves until ``stop``; ``server.port`` is known before that. ``ready`` is called once it serves."""

    def __init__(
        self, options: StoreOptions, objects: ObjectStore, door: Door, trust: AgencyTrust, clock: Clock
    ) -> None:
        root = options.root
        self._options = options
        signer = FileSigner(load_key(options.store_key, options.credentials_dir))
        self._locks = Locks(root / "instances.lock", clock) if options.shared else None
        self._register = Register(root / "store.db")
        alarms = Alarms(root / "alarms.log", clock, self._locks)
        receipts = ReceiptDesk(self._register, signer, clock, options.name)
        keeper = Keeper(objects, clock, options.retain_s)
        staging = Staging(root / "staging", self._register, clock)
        self._instances = Instances(root, self._heard) if options.shared else None
        self._holders = Holders(HOLD_PATIENCE_S, self._locks, lambda upload_id: self._tell(LET_GO, upload_id))
        ground = Ground(
            root,
            self._register,
            staging,
            receipts,
            keeper,
            trust.current,
            clock,
            alarms,
            self._holders,
            self._published,
            self._locks,
        )
        desks = put_together(ground, options.limits, options.unit_limits)
        self._journals, self._segments = desks.journals, desks.segments
        self._statements = StatementDesk(root / "staging", self._journals, desks.shelf, clock)
        self._fleet: Fleet | None = None
        if options.broker is not None:
            at = options.broker
            self._fleet = Fleet(self._register, clock, at.host, at.port, at.tls_dir, random.random, options.slots)
        self._leads = False
        start_fleet: tuple[Step, ...] = () if self._fleet is None else (("fleet", self._fleet.start),)
        self._takeover = Takeover(
            (
                *start_fleet,
                ("apart", desks.apart.recount),
                ("journals", self._journals.recover),
                ("segments", self._segments.recover),
                ("statements", self._statements.settle_all),
            ),
            alarms,
        )
        routes = (
            *UploadRoutes(self._segments, Gate(options.unit_limits.requests)).routes(),
            *JournalRoutes(self._journals, self._segments).routes(),
            *self._statements.routes(),
            *FleetDesk(self._register).routes(),
        )
        self.server = IngestServer(door, routes, clock, options.timeouts)

    def run(self, stop: threading.Event, ready: Callable[[], None]) -> None:
        if self._instances is not None:
            self._instances.start()
        self._try_to_lead()
        self.server.start()
        ready()
        while not stop.wait(HOUSEKEEPING_S if self._leads else LEAD_POLL_S):
            try:
                if self._leads:
                    self._takeover.run()
                    self._segments.settle_all()
                    self._statements.settle_all()
                    self._segments.expire()
                else:
                    self._try_to_lead()
            except Exception:
                log.exception("housekeeping")
        self.server.stop()
        if self._fleet is not None and self._leads:
            self._fleet.close()
        if self._instances is not None:
            self._instances.close()
        self._register.close()

    def _try_to_lead(self) -> None:
        if self._locks is not None and not self._locks.keep("leader"):
            return
        log.info("this instance leads")
        # First what the units wait for: whatever is wrong with a journal or a segment, they are heard.
        self._takeover.run()
        self._leads = True

    # --- receipts over MQTT, and the other instances ------------------------------------------------------------------

    def _published(self, receipt: IssuedReceipt) -> None:
        if self._leads and self._fleet is not None:
            self._fleet.publish_receipt(receipt)
        else:
            self._tell(PUBLISH, receipt.receipt_id)

    def _tell(self, kind: str, subject: str) -> None:
        if self._instances is not None:
            self._instances.tell(kind, subject)

    def _heard(self, kind: str, subject: str) -> None:
        if kind == LET_GO:
            self._holders.let_go(subject)
        elif kind == PUBLISH and self._leads and self._fleet is not None:
            receipt = self._register.receipt(subject)
            if receipt is not None:
                self._fleet.publish_receipt(receipt)
