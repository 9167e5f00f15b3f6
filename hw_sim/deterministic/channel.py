"""The socket between unit process and worker, and who starts workers: messages arrive in order, a little later."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hw_sim.deterministic.timeline import Life, Timeline
from hw_sim.deterministic.worker import SimulatedWorker
from recorder.channel import messages
from recorder.unit.events import UnitEvent, WorkerConnected, WorkerDisconnected, WorkerExited, WorkerMessage

DELAY_US = (300, 4_000)
KILL_US = (3_000, 40_000)


@dataclass(slots=True)
class Line:
    """One camera's connection in one life of the unit process. ``recorder.unit.worker_link.WorkerLink`` to the unit."""

    camera_id: str
    timeline: Timeline
    rnd: random.Random
    put: Callable[[UnitEvent], None]
    life: Life
    """The unit process's."""
    worker: SimulatedWorker | None = None
    _up_us: int = field(default=0)
    _down_us: int = field(default=0)

    # --- the unit's end ----------------------------------------------------------------------------------------------

    def send(self, message: messages.Message) -> bool:
        worker = self.worker
        if worker is None or not worker.life.alive:
            return False
        if isinstance(message, messages.Ack):
            worker.acknowledged(message.n)
        self._down_us = max(self._down_us, self.timeline.now_us + self.rnd.randint(*DELAY_US))
        self.timeline.at(self._down_us, lambda: worker.receive(message), worker.life)
        return True

    def close(self) -> None:
        if self.worker is not None:
            self.worker.channel_closed()

    # --- the worker's end --------------------------------------------------------------------------------------------

    def deliver(self, message: messages.FromWorker) -> None:
        if isinstance(message, messages.Hello):
            self._up(WorkerConnected(self.camera_id, message.pid))
        else:
            self._up(WorkerMessage(self.camera_id, message))

    def ended(self, status: int) -> None:
        """The process is gone: what it said first, then the end of the connection, then its exit (or the reverse)."""
        self.worker = None
        last: list[UnitEvent] = [
            WorkerDisconnected(self.camera_id, "closed"),
            WorkerExited(self.camera_id, 1000, status),
        ]
        if self.rnd.random() < 0.3:
            last.reverse()
        for event in last:
            self._up(event)

    def _up(self, event: UnitEvent) -> None:
        self._up_us = max(self._up_us, self.timeline.now_us + self.rnd.randint(*DELAY_US))
        self.timeline.at(self._up_us, lambda: self.put(event), self.life)


@dataclass(slots=True)
class SimulatedLauncher:
    """``recorder.unit.launcher.WorkerLauncher``. ``make`` builds a worker for a line."""

    timeline: Timeline
    rnd: random.Random
    lines: dict[str, Line]
    make: Callable[[Line], SimulatedWorker]

    def configure(self, config: bytes) -> None:
        """Simulated workers are made of the configuration as it is (``make``)."""

    def launch(self, camera_id: str, socket_path: Path) -> None:
        line = self.lines[camera_id]
        line.worker = self.make(line)

    def kill(self, camera_id: str) -> None:
        worker = self.lines[camera_id].worker
        if worker is not None:
            when = max(self.timeline.now_us + self.rnd.randint(*KILL_US), worker.faults.immortal_until_us)
            self.timeline.at(when, lambda: worker.crash(-9), worker.life)

    def pid(self, camera_id: str) -> int | None:
        worker = self.lines[camera_id].worker
        return 1000 if worker is not None and worker.life.alive else None

    def close(self, timeout_s: float) -> None:
        for line in self.lines.values():
            line.close()
