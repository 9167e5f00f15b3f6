"""Writes the status once a second, tells systemd the unit lives, and keeps its own failures from stopping anything."""

from __future__ import annotations

import logging
from pathlib import Path

from recorder import __version__
from recorder.config.models import RecorderConfig
from recorder.config.uplink_sections import uplink_sha256
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.health.model import Health, known_values
from recorder.notify import Notifier
from recorder.session.marks import covered, missing
from recorder.session.staffing import warning
from recorder.unit.duties.context_desk import shown
from recorder.unit.health import health_of
from recorder.unit.process import UnitProcess
from recorder.unit.status import (
    CameraStatus,
    ChecklistStatus,
    ConfigurationStatus,
    MatterStatus,
    UnitStatus,
    write,
    write_metrics,
)

log = logging.getLogger("recorder.unit")

INTERVAL_US = 500_000
METRICS_US = 5_000_000
"""Prometheus asks each 15 s at the soonest."""


class StatusWriter:
    def __init__(self, unit: UnitProcess, journal: Journal, run_dir: Path, files: Files, notifier: Notifier) -> None:
        self._unit = unit
        self._journal = journal
        self._run_dir = run_dir
        metrics_dir = unit.p.config.storage.metrics_dir
        self._metrics_dir = Path(metrics_dir) if metrics_dir else run_dir
        self._files = files
        self._notifier = notifier
        self._next_us = 0
        self._next_metrics_us = 0
        self._shown: str = ""
        self._uplink: tuple[RecorderConfig | None, str] = (None, "")

    def turn(self) -> None:
        """Call each turn of the loop."""
        now = self._unit.now_us()
        state = self._unit.p.machine.state.value
        if now < self._next_us and state == self._shown:
            return
        self._next_us = now + INTERVAL_US
        self.write(metrics=now >= self._next_metrics_us or state != self._shown)
        # The loop turns, and nothing more: a disk that refuses is a fault told elsewhere, which no new process cures, and a
        # unit killed for it again and again would cost the recording its process (promise 1). A disk that hangs stops the
        # loop, and with it this. Workers have their own, much shorter, watchdog.
        self._notifier.watchdog()
        if state != self._shown:
            self._shown = state
            self._notifier.status(state)

    def write(self, *, metrics: bool = True) -> None:
        """``metrics``: ``recorder.prom`` too. What fails here is a fault, and less than the recording (promise 1)."""
        problem: Exception | None = None
        if metrics:  # before: a folder that cannot be written must not be tried ten times as often as one that can
            self._next_metrics_us = self._unit.now_us() + METRICS_US
        try:
            self._write(metrics)
        except OSError as error:
            log.error("status.write", extra={"fields": {"error": str(error)}})
        except Exception as error:
            problem = error
            if not self._unit.p.faults.is_open("duty-fault", "status"):  # once, not twice a second
                log.exception("status.failed")
        evidence = {"call": "write", "error": f"{type(problem).__name__}: {problem}"} if problem else {}
        self._unit.fault("duty-fault", "status", problem is not None, evidence)

    def _write(self, metrics: bool) -> None:
        health = health_of(self._unit.p)
        write(self._status(health), self._run_dir, self._files)
        if metrics:
            write_metrics(health, self._metrics_dir, self._files)

    def _uplink_sha256(self) -> str:
        config = self._unit.p.config
        if self._uplink[0] is not config:  # twice a second is too often to count it anew
            self._uplink = (config, uplink_sha256(config))
        return self._uplink[1]

    def _checklist(self) -> ChecklistStatus | None:
        session = self._journal.state.session
        if session is None:
            return None
        asked = self._unit.p.config.matter.checklist
        return ChecklistStatus(covered=covered(session.marked), missing=missing(session.marked, asked))

    def _status(self, health: Health) -> UnitStatus:
        parts = self._unit.p
        clock, readings = parts.clock, parts.sensors.readings
        now, wall = clock.boottime_us(), clock.wall_us()
        return UnitStatus(
            unit_id=parts.config.device.id,
            version=__version__,
            boot_id=clock.boot_id(),
            at_us=now,
            wall_us=wall,
            clock_source=clock.quality().source,
            clock_set=parts.sensors.clock_is_set(wall),
            state=parts.machine.state.value,
            recording=parts.machine.session_id is not None,
            shift_id=parts.machine.shift_id,
            session_id=parts.machine.session_id,
            officers=parts.officers.count,
            officer_warning=warning(parts.officers.count) if parts.machine.shift_id is not None else None,
            mode=parts.machine.mode,
            matter=MatterStatus(**shown(parts.machine.matter)),
            checklist=self._checklist(),
            config=ConfigurationStatus(
                sha256=parts.reloading.sha256,
                reload=parts.reloading.status,
                waiting=parts.reloading.waiting,
                errors=parts.reloading.errors,
                uplink_sha256=self._uplink_sha256(),
                remote=None if parts.reloading.reported is None else dict(parts.reloading.reported),
            ),
            journal_id=self._journal.journal_id,
            head_seq=self._journal.state.next_seq - 1,
            durable_seq=-1 if self._journal.durable is None else self._journal.durable[0],
            night=parts.sensors.night,
            lux=readings.lux,
            faults=parts.faults.present(),
            cameras={
                camera_id: CameraStatus(
                    worker_pid=parts.launcher.pid(camera_id),
                    ready=camera.ready,
                    restarts=max(0, camera.supervisor.restarts),
                    last_frame_us=camera.last.last_frame_us if camera.last else None,
                    dropped_frames=camera.last.dropped_frames if camera.last else 0,
                    buffer_bytes=camera.last.buffer_bytes if camera.last else 0,
                )
                for camera_id, camera in parts.cameras.items()
            },
            health=known_values(health),
        )
