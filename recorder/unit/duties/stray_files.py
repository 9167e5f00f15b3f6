"""Segment files of ended sessions that no record names: kept, and recorded, so that nothing recorded is lost.

A worker makes a file before it reports it. When it dies in between, its file is looked for at once if no other worker runs;
with a second camera that has to wait until the session has ended, and after a crash of the unit until the next start.
"""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path

from recorder.evidence.records import Record, SessionStop
from recorder.evidence.segment_recovery import Reason, orphans, recover_orphan
from recorder.unit.duty import Duty, UnitServices

log = logging.getLogger("recorder.unit")

PER_POLL = 20
"""Session folders looked at per 0.2 s."""


class StrayFiles(Duty):
    name = "stray-files"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._data_dir = Path(services.p.config.storage.data_dir)
        self._due: deque[tuple[str, Reason]] = deque()
        self._listed = False

    def observe(self, record: Record) -> None:
        if isinstance(record, SessionStop):
            self._unit.after_commit(lambda: self._due.append((record.session_id, "worker-exit")))

    def poll(self, now_us: int, wall_us: int) -> None:
        if self._unit.p.index.behind:
            return  # without the whole index every file would look like one that nobody has named
        if not self._listed:
            self._list()
        for _ in range(min(PER_POLL, len(self._due))):
            session_id, reason = self._due.popleft()
            # The open session's workers may be about to report what they have made.
            if session_id != self._unit.p.machine.session_id:
                self._recover(session_id, reason)

    def _list(self) -> None:
        try:
            names = self._unit.p.files.names(self._data_dir / "segments")
        except OSError as error:
            log.error("stray.unreadable", extra={"fields": {"error": str(error)}})
            return
        self._listed = True
        self._due.extend((name, "unclean-stop") for name in names)

    def _recover(self, session_id: str, reason: Reason) -> None:
        parts = self._unit.p
        try:
            known = parts.index.segments_of(session_id)
            for segment_id in orphans(self._data_dir, parts.files, session_id, known.__contains__):
                self._unit.write(recover_orphan(self._data_dir, parts.files, session_id, segment_id, reason))
        except OSError as error:
            # The file stays what it is, and the next start tries again; recording must not wait for it.
            log.error("recovery.failed", extra={"fields": {"session_id": session_id, "error": str(error)}})
