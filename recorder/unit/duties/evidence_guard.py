"""Art. 27 at work: files removed or changed behind the unit's back are noticed while it runs, recorded and spoken.

What was taken while the unit was off is found at the next start: every segment the index holds must still be there in its
size. The verifier finds all of it again afterwards, from the signed journal; this here is for the day it happens.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Record, Recovery, SegmentClose
from recorder.session.evidence_watch import Rules, Verdict, judge
from recorder.session.retention import Held
from recorder.unit.duty import Duty, UnitServices
from recorder.unit.file_watch import FileChange, FileWatch
from recorder.unit.noted_files import NotedFiles

log = logging.getLogger("recorder.unit")

NAMED = 64
"""So many files are named one by one in each run; further ones are counted in one fault."""

PER_POLL = 200
"""Segments looked at per 0.2 s when everything is looked through."""

_WORDS: dict[Verdict, tuple[str, str]] = {
    "evidence-deleted": ("被删除或者移走", "was removed"),
    "evidence-altered": ("被改动", "was altered"),
}


class EvidenceGuard(Duty):
    name = "evidence-guard"

    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._data_dir = Path(services.p.config.storage.data_dir)
        self._watch: FileWatch | None = None
        self._unwatched: str | None = None
        self._named: set[tuple[Verdict, str]] = set()
        self._more = 0
        self._inventory: Iterator[Held] | None = None
        self._inventory_due = True
        self._open_watch()

    def _open_watch(self) -> None:
        try:
            self._watch, self._unwatched = FileWatch(self._data_dir), None
        except OSError as error:
            self._unwatched = str(error)
            log.error("evidence.unwatched", extra={"fields": {"error": str(error)}})

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    # --- when ------------------------------------------------------------------------------------------------------

    def observe(self, record: Record) -> None:
        if isinstance(record, Recovery | SegmentClose):
            # Its last writing is queued in the kernel by now and belongs to the time when the segment was open.
            self._look()

    def poll(self, now_us: int, wall_us: int) -> None:
        self._unit.fault(
            "evidence-unwatched", "evidence", self._unwatched is not None, {"error": self._unwatched or ""}
        )
        self._look()
        self._take_inventory()

    def _look(self) -> None:
        if self._watch is None:
            return
        try:
            self._watch.add_missing()
            changes = self._watch.read()
        except OSError as error:
            self._unwatched = str(error)
            return
        self._unwatched = None
        if self._watch.overflowed:
            self._watch.overflowed, self._inventory_due = False, True
        for change in changes:
            self._judge(change)

    # --- what ------------------------------------------------------------------------------------------------------

    def _judge(self, change: FileChange) -> None:
        files = self._unit.p.files
        own = False
        if isinstance(files, NotedFiles):
            own = files.took(change.path) if change.change == "removed" else files.changes(change.path)
        path = change.path.relative_to(self._data_dir).as_posix()
        verdict = judge(path, change.change, own, self._rules())
        if verdict == "evidence-deleted" and change.path.exists():
            verdict = "evidence-altered"  # put back, perhaps with other content
        if verdict is not None:
            self._report(verdict, path)

    def _rules(self) -> Rules:
        index, journal = self._unit.p.index, self._unit.p.journal

        def is_open(segment_id: str) -> bool:
            row = index.segment(segment_id)
            return segment_id in journal.state.open_segments or row is None or row["state"] == "open"

        def released(segment_id: str) -> bool:
            row = index.segment(segment_id)
            return row is not None and row["state"] in ("released", "removed")

        durable = journal.durable
        return Rules(is_open, released, -1 if durable is None else durable[0])

    def _report(self, verdict: Verdict, path: str) -> None:
        key = verdict, path
        if key in self._named:
            return
        if len(self._named) >= NAMED:
            self._more += 1
            self._unit.fault("evidence-deleted", "further files", True, {"named": NAMED})
            return
        self._named.add(key)
        zh, en = _WORDS[verdict]
        self._unit.found(Finding(verdict, f"{path}: {zh}", f"{path}: {en}", path))
        self._unit.say("delete-attempted" if verdict == "evidence-deleted" else "files-altered")

    # --- looking through everything --------------------------------------------------------------------------------

    def _take_inventory(self) -> None:
        """At a start, and when the kernel dropped events: is every held segment there, in its size? In slices."""
        if self._inventory_due and not self._unit.p.index.behind:
            self._inventory_due, self._inventory = False, iter(self._unit.p.index.held())
        if self._inventory is None:
            return
        for _ in range(PER_POLL):
            held = next(self._inventory, None)
            if held is None:
                self._inventory = None
                return
            self._look_at(held)

    def _look_at(self, held: Held) -> None:
        row = self._unit.p.index.segment(held.segment_id)
        if row is None or row["state"] != "closed":
            return
        suffix = ".mp4.age" if row["sealed"] or row["sealed"] is None else ".mp4"
        path = f"segments/{held.session_id}/{held.segment_id}{suffix}"
        try:
            size = self._unit.p.files.size(self._data_dir / path)
        except OSError as error:
            log.error("evidence.unreadable", extra={"fields": {"path": path, "error": str(error)}})
            return
        if size is None:
            self._report("evidence-deleted", path)
        elif size != held.size:
            self._report("evidence-altered", path)
