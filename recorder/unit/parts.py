"""What the unit process is made of: built by the composition root, handed to the loop and to every duty."""

from __future__ import annotations

import queue
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.ports import Clock, UnitBoard
from recorder.channel import messages
from recorder.config.models import RecorderConfig
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.officer.indicators import Indicators
from recorder.session.gestures import GestureRecogniser
from recorder.session.machine import SessionMachine
from recorder.session.supervision import WorkerSupervisor
from recorder.unit.custody import Custody
from recorder.unit.devices import Guarded
from recorder.unit.events import UnitEvent
from recorder.unit.fault_book import FaultBook
from recorder.unit.heads import HeadBook
from recorder.unit.health_book import HealthBook
from recorder.unit.index import Index
from recorder.unit.launcher import WorkerLauncher
from recorder.unit.ledger import Ledger
from recorder.unit.officers import Officers
from recorder.unit.reloading import Reloading
from recorder.unit.sensors import Sensors
from recorder.unit.worker_link import WorkerLink


@dataclass(slots=True)
class CameraParts:
    """What belongs to one camera's worker."""

    link: WorkerLink
    supervisor: WorkerSupervisor
    heads: HeadBook
    connected: bool = False
    exited: bool = True
    ready: bool = False
    in_order: bool = False
    """The last worker's end is no crash: it could not close a session, and why it could not is an open fault already; or
    it was told to end, to start anew with another configuration."""
    told_to_end: bool = False
    generation: int = 0
    """Of the configuration its worker was launched with."""
    inherited: set[str] = field(default_factory=set)
    """Faults open when the worker connected, which it has not reported itself: the last worker's, over once it delivers."""
    last: messages.Progress | None = None
    socket: Path = field(default_factory=Path)


@dataclass(slots=True)
class Parts:
    """Everything the loop works with."""

    config: RecorderConfig
    clock: Clock
    board: UnitBoard
    events: queue.Queue[UnitEvent]
    machine: SessionMachine
    gestures: GestureRecogniser
    cameras: dict[str, CameraParts]
    launcher: WorkerLauncher
    files: Files
    journal: Journal
    index: Index
    ledger: Ledger
    custody: Custody
    officers: Officers
    indicators: Indicators
    sensors: Sensors
    faults: FaultBook
    health: HealthBook = field(default_factory=HealthBook)
    guarded: tuple[Guarded, ...] = ()
    reloading: Reloading = field(default_factory=Reloading)
