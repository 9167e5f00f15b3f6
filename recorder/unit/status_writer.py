"""Writes the status once a second, tells systemd the unit lives, and keeps its own failures from stopping anything."""

from __future__ import annotations

import logging
from pathlib import Path

from recorder import __version__
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.notify import Notifier
from recorder.session.marks import covered, missing
from recorder.session.staffing import warning
from recorder.unit.duties.context_desk import shown
from recorder.unit.index import Index
from recorder.unit.process import UnitProcess
from recorder.unit.status import CameraStatus, ChecklistStatus, ConfigurationStatus, MatterStatus, UnitStatus, write
from recorder.units import MB

log = logging.getLogger("recorder.unit")

INTERVAL_US = 500_000


class StatusWriter:
    def __init__(
        self, unit: UnitProcess, index: Index, journal: Journal, run_dir: Path, files: Files, notifier: Notifier
    ) -> None:
        self._unit = unit
        self._index = index
        self._journal = journal
        self._run_dir = run_dir
        self._files = files
        self._notifier = notifier
        self._next_us = 0
        self._shown: str = ""

    def turn(self) -> None:
        """Call each turn of the loop."""
        now = self._unit.now_us()
        state = self._unit.p.machine.state.value
        if now < self._next_us and state == self._shown:
            return
        self._next_us = now + INTERVAL_US
        self.write()
        if self._healthy():
            self._notifier.watchdog()
        if state != self._shown:
            self._shown = state
            self._notifier.status(state)

    def write(self) -> None:
        try:
            write(self._status(), self._run_dir, self._files)
        except OSError as error:
            log.error("status.write", extra={"fields": {"error": str(error)}})

    def _healthy(self) -> bool:
        """The loop turned and the journal took what there was. Workers have their own, much shorter, watchdog."""
        return self._unit.p.ledger.error is None

    def _checklist(self) -> ChecklistStatus | None:
        session = self._journal.state.session
        if session is None:
            return None
        asked = self._unit.p.config.matter.checklist
        return ChecklistStatus(covered=covered(session.marked), missing=missing(session.marked, asked))

    def _status(self) -> UnitStatus:
        parts = self._unit.p
        clock, readings = parts.clock, parts.sensors.readings
        now, wall = clock.boottime_us(), clock.wall_us()
        pending_segments, pending_bytes = self._index.pending()
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
            ),
            journal_id=self._journal.journal_id,
            head_seq=self._journal.state.next_seq - 1,
            durable_seq=-1 if self._journal.durable is None else self._journal.durable[0],
            night=parts.sensors.night,
            lux=readings.lux,
            gnss_age_s=parts.sensors.fix_age_s(now),
            battery_percent=readings.battery_percent,
            temperature_c=readings.temperature_c,
            free_mb=parts.custody.free_bytes // MB,
            pending_segments=pending_segments,
            pending_bytes=pending_bytes,
            unexplained_gaps=self._index.unexplained_gaps(),
            statements_owed=self._index.statements_owed(),
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
        )
