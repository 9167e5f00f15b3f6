"""One life of the unit process: the parts of ``recorder.daemon`` put together on simulated surroundings.

The one place here that knows how the daemon is composed; keep it in step with ``recorder.daemon``. Left out: control socket
and devices (their events are put into the queue), the status files, and the background check of the old journal, whose
thread belongs to no simulation. The index lives in memory and is rebuilt from the journal at each start.
"""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from firmware_bridge.ports import Watchdog
from hw_sim.deterministic.board import Readings, simulated_board
from hw_sim.deterministic.channel import Line, SimulatedLauncher
from hw_sim.deterministic.clocks import UnitClock
from hw_sim.deterministic.disk import SimulatedDisk
from hw_sim.deterministic.noted_disk import NotedDisk
from hw_sim.deterministic.signing import UNIT_ID, Agency
from hw_sim.deterministic.timeline import Life, Timeline
from hw_sim.deterministic.worker import SimulatedWorker
from recorder.channel.places import channel_socket
from recorder.config.models import RecorderConfig
from recorder.evidence.journal import Journal
from recorder.evidence.jws import Signer
from recorder.evidence.personal import load_officer_key
from recorder.evidence.receipts import LockPolicy, ReceiptCheck
from recorder.evidence.records import Config
from recorder.evidence.recovery import BootFacts, Recovered, recover
from recorder.officer.indicators import Indicators
from recorder.session import events as ev
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import MachineSettings, SessionMachine
from recorder.session.previous import previous_of
from recorder.session.supervision import Limits, WorkerSupervisor
from recorder.unit.catch_up import CatchUp
from recorder.unit.custody import Custody
from recorder.unit.duties import DUTIES
from recorder.unit.duty import DutyFactory
from recorder.unit.events import UnitEvent
from recorder.unit.fault_book import FaultBook
from recorder.unit.heads import HeadBook
from recorder.unit.index import Index
from recorder.unit.ledger import Ledger
from recorder.unit.officers import Officers
from recorder.unit.parts import CameraParts, Parts
from recorder.unit.process import UnitProcess
from recorder.unit.sensors import Sensors
from recorder.unit.worker_link import WorkerLink

CATCH_UP_US = 10_000


class PinnedStoreKey:
    """``store_key.StoreKey``: the simulated store never changes its key."""

    def __init__(self, check: ReceiptCheck | None) -> None:
        self.check = check

    def look(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Making:
    """How the parts a planted bug replaces are made; the defaults are the recorder's own."""

    machine: Callable[[MachineSettings, Callable[[], str]], SessionMachine] = SessionMachine
    ledger: Callable[[Journal, Index], Ledger] = Ledger
    custody: type[Custody] = Custody
    recover: Callable[..., Recovered] = recover
    duties: Sequence[DutyFactory] = DUTIES


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What outlives the process."""

    timeline: Timeline
    rnd: random.Random
    disk: SimulatedDisk
    config: RecorderConfig
    agency: Agency
    signer: Signer
    readings: Readings
    watchdog: Watchdog
    new_id: Callable[[], str]
    make_worker: Callable[[Line, UnitClock], SimulatedWorker]
    wake: Callable[[], None]
    """Something is in the queue."""


class _Events(queue.Queue[UnitEvent]):
    """The unit's queue. Nobody waits in it, and nobody else is there to be locked out: simulated time passes elsewhere."""

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__()
        self._wake = wake

    def put(self, item: UnitEvent, block: bool = True, timeout: float | None = None) -> None:
        self.queue.append(item)
        self._wake()

    def get(self, block: bool = True, timeout: float | None = None) -> UnitEvent:
        if not self.queue:
            raise queue.Empty
        event: UnitEvent = self.queue.popleft()
        return event


@dataclass(slots=True)
class UnitLife:
    """A unit process from its start to its end. Building it may raise what a start may raise."""

    around: Surroundings
    clock: UnitClock
    making: Making
    life: Life = field(default_factory=Life)
    events: _Events = field(init=False)
    process: UnitProcess = field(init=False)
    journal: Journal = field(init=False)
    index: Index = field(init=False)
    lines: dict[str, Line] = field(init=False)
    recovered: Recovered = field(init=False)
    _catch_up: CatchUp = field(init=False)

    def __post_init__(self) -> None:
        around, clock = self.around, self.clock
        config, files = around.config, NotedDisk(around.disk)
        data_dir, run_dir = Path(config.storage.data_dir), Path(config.storage.run_dir)
        self.events = _Events(around.wake)
        board = simulated_board(clock, around.readings, around.watchdog)
        facts = BootFacts(
            board.identity.ueid, UNIT_ID, board.identity.hwmodel, board.identity.hwversion, "zfy-recorder", "simulated"
        )
        self.recovered = recovered = self.making.recover(
            data_dir,
            around.signer,
            clock,
            files,
            facts,
            checkpoint_records=config.signing.checkpoint_records,
            new_id=around.new_id,
        )
        self.journal = journal = recovered.journal
        self.index = index = Index(Path(":memory:"))
        index.behind = True
        self._catch_up = CatchUp(index, files, journal, clock)
        self._catch_up.step(CATCH_UP_US)
        ledger = self.making.ledger(journal, index)
        custody = self.making.custody(
            config=config,
            data_dir=data_dir,
            files=files,
            journal=journal,
            ledger=ledger,
            index=index,
            store_key=PinnedStoreKey(self._receipt_check()),
            officer_key=load_officer_key(data_dir / "keys" / "officer-ref.key", files, around.rnd.randbytes),
        )
        self.lines = {
            name: Line(name, around.timeline, around.rnd, self.events.put, self.life) for name in config.cameras
        }
        launcher = SimulatedLauncher(
            around.timeline, around.rnd, self.lines, lambda line: around.make_worker(line, clock)
        )
        parts = Parts(
            config=config,
            clock=clock,
            board=board,
            events=self.events,
            machine=self.making.machine(MachineSettings.of(config), around.new_id),
            gestures=GestureRecogniser(config.controls),
            cameras={name: self._camera(name) for name in config.cameras},
            launcher=launcher,
            files=files,
            journal=journal,
            index=index,
            ledger=ledger,
            custody=custody,
            officers=Officers(run_dir / "officers.json", files),
            indicators=Indicators(config.indicators, board.outputs, board.speaker),
            sensors=Sensors(config, board),
            faults=FaultBook(around.new_id),
        )
        self.process = UnitProcess(parts, self.making.duties)
        ledger.write(Config(sha256="A" * 43, layers=("simulated",), status="applied", errors=()))
        started = ev.UnitStarted(
            at_us=clock.boottime_us(),
            bootseed=clock.boot_id(),
            wall_us=clock.wall_us(),
            previous=previous_of(recovered.before),
            clock_vouched=clock.quality().source != "none",
        )
        self.process.started(recovered.before, started)
        for finding in recovered.findings:
            self.process.found(finding)
        self.process.commit()
        custody.finish_releases()
        parts.sensors.apply_night()

    def turn(self) -> None:
        """One turn of the daemon's loop."""
        self.process.turn()
        if self.index.behind and self._catch_up.step(CATCH_UP_US):
            self.process.p.custody.finish_releases()

    def end(self) -> bool:
        """After an orderly end; False when the disk refused the last records."""
        self.process.close()
        written = self.process.p.ledger.commit()
        if written:
            self.journal.close()
        self.life.alive = False
        self.index.close()
        self.process.p.board.close()
        return written

    def dead(self) -> None:
        """The process is gone; the kernel closes what it had open."""
        self.life.alive = False
        self.process.close()  # what its duties write now is never committed
        self.index.close()

    def _receipt_check(self) -> ReceiptCheck:
        trust = self.around.config.trust
        return ReceiptCheck(
            self.around.agency.store.public_key(),
            unit_id=UNIT_ID,
            device_kids=[self.around.signer.kid],
            journal_id=self.journal.journal_id,
            policy=LockPolicy(require_lock=trust.require_lock, min_days=trust.min_lock_days),
        )

    def _camera(self, name: str) -> CameraParts:
        return CameraParts(
            link=cast(WorkerLink, self.lines[name]),
            supervisor=WorkerSupervisor(Limits.of(self.around.config.supervision)),
            heads=HeadBook(round(self.around.config.signing.head_interval_s * 1e6)),
            socket=channel_socket(Path(self.around.config.storage.run_dir), name),
        )
