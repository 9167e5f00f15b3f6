"""Art. 27 at work: files removed or changed behind the unit's back are noticed while it runs, recorded and spoken.

What was taken while the unit was off is found at the next start: every segment the index holds must still be there in its
size. The verifier finds all of it again afterwards, from the signed journal; this here is for the day it happens.
"""

from __future__ import annotations

import logging
from pathlib import Path

from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Record, Recovery, SegmentClose, Statement
from recorder.session.evidence_watch import Rules, Verdict, judge
from recorder.unit.duty import Duty, UnitServices
from recorder.unit.file_watch import FileChange, FileWatch
from recorder.unit.index import Kept
from recorder.unit.noted_files import NotedFiles

log = logging.getLogger("recorder.unit")

NAMED = 64
"""So many files are named one by one in each run; that there are more is one fault."""

PER_POLL = 100
"""Segments looked at per 0.2 s when everything is looked through."""

SPOKEN_AGAIN_US = 10_000_000
"""Who deletes a folder of files is told so once, not file by file."""

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
        self._unwatched = ""
        self._named: set[tuple[Verdict, str]] = set()
        self._full = False
        self._spoken_us: dict[Verdict, int] = {}
        self._inventory_due = True
        self._place: int | None = None
        """Where the inventory stands; None: there is none under way."""
        self._open_watch()

    def _open_watch(self) -> None:
        try:
            self._watch = FileWatch(self._data_dir)
        except OSError as error:
            self._tell_unwatched(str(error))
            return
        self._inventory_due = True  # whatever happened while nobody watched

    def _tell_unwatched(self, error: str) -> None:
        if error and not self._unwatched:
            log.error("evidence.unwatched", extra={"fields": {"error": error}})
        self._unwatched = error

    def close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    # --- when ------------------------------------------------------------------------------------------------------

    def observe(self, record: Record) -> None:
        if isinstance(record, Recovery | SegmentClose | Statement):
            # Its last writing is queued in the kernel by now and belongs to the time when the file was open.
            self._look()

    def poll(self, now_us: int, wall_us: int) -> None:
        if self._watch is None:
            self._open_watch()
        self._look()
        self._unit.fault(
            "evidence-unwatched",
            "evidence",
            bool(self._unwatched),
            {"error": self._unwatched} if self._unwatched else {},
        )
        self._take_inventory()

    def _look(self) -> None:
        if self._watch is None:
            return
        files = self._unit.p.files
        written = files.written() if isinstance(files, NotedFiles) else []
        try:
            changes = self._watch.read()
        except OSError as error:
            self._tell_unwatched(str(error))
            return
        for change in changes:
            self._judge(change)
        if isinstance(files, NotedFiles):
            files.seen(written)
        self._tell_unwatched(next((f"{path}: {error}" for path, error in self._watch.unwatched.items()), ""))
        if self._watch.missed:
            self._watch.missed, self._inventory_due = False, True

    # --- what ------------------------------------------------------------------------------------------------------

    def _judge(self, change: FileChange) -> None:
        files = self._unit.p.files
        own = False
        if isinstance(files, NotedFiles):
            own = files.took(change.path) if change.change == "removed" else files.changes(change.path)
        if own or self._full:
            return
        path = change.path.relative_to(self._data_dir).as_posix()
        verdict = judge(path, change.change, False, self._rules())
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
        if self._full or key in self._named:
            return
        if len(self._named) >= NAMED:
            self._full = True
            self._unit.fault(verdict, "further files", True, {"named": NAMED})
            return
        self._named.add(key)
        zh, en = _WORDS[verdict]
        self._unit.found(Finding(verdict, f"{path}: {zh}", f"{path}: {en}", path))
        now_us, spoken_us = self._unit.now_us(), self._spoken_us.get(verdict)
        if spoken_us is None or now_us >= spoken_us + SPOKEN_AGAIN_US:
            self._spoken_us[verdict] = now_us
            self._unit.say("delete-attempted" if verdict == "evidence-deleted" else "files-altered")

    # --- looking through everything --------------------------------------------------------------------------------

    def _take_inventory(self) -> None:
        """At a start, and when something may have been missed: is every held segment there, in its size? In slices."""
        index = self._unit.p.index
        if index.behind:
            # Half made anew it still holds what was released long ago: begin again when it is whole.
            self._inventory_due, self._place = self._inventory_due or self._place is not None, None
            return
        if self._inventory_due:
            self._inventory_due, self._place = False, -1
        if self._place is None:
            return
        page = index.inventory(self._place, PER_POLL)
        for kept in page:
            self._look_at(kept)
        self._place = page[-1].place if page else None

    def _look_at(self, kept: Kept) -> None:
        # A file that was kept before anybody reported it may be of either kind.
        suffixes = (".mp4.age", ".mp4") if kept.sealed is None else (".mp4.age",) if kept.sealed else (".mp4",)
        paths = [f"segments/{kept.session_id}/{kept.segment_id}{suffix}" for suffix in suffixes]
        try:
            sizes = {path: self._unit.p.files.size(self._data_dir / path) for path in paths}
        except OSError as error:
            log.error("evidence.unreadable", extra={"fields": {"path": paths[0], "error": str(error)}})
            return
        path, size = next(((path, size) for path, size in sizes.items() if size is not None), (paths[0], None))
        if size is None:
            self._report("evidence-deleted", path)
        elif size != kept.size:
            self._report("evidence-altered", path)
