"""Follow the journal another process writes: complete, durable lines only, bounded memory, across files and restarts.

Nothing is handed on before it is durable. The unit writes a line and syncs it a moment later; a line posted (or announced)
in between and then lost to a power cut would be written differently after the restart, and the store would see a fork
for ever. ``fdatasync`` on our own read-only descriptor closes that window: what we have seen is on the disk. Not so where
the unit's own sync has failed: the kernel tells of an error once, and whoever opens the file afterwards is told that all is
well. So nothing is read beyond what the unit says is durable (``durable_mark``).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from recorder.evidence.encoding import unb64u
from recorder.uplink.facts import IDLE_TYPES, READ_TYPES, Fact, JournalGrew, JournalReset, fact_of
from recorder.uplink.faults import DISK, JOURNAL_HOLE, JOURNAL_UNREADABLE, UplinkFault

MAX_LINE = 1 << 20
BLOCK = 1 << 16
MARK = 64

_NAME = re.compile(r"^(\d{12})\.jws$")

TailEvent: TypeAlias = Fact | UplinkFault


@dataclass(frozen=True, slots=True)
class JournalFile:
    path: Path
    first_seq: int


def journal_files(directory: Path) -> list[JournalFile]:
    """Journal files by first seq; empty when there is no journal. Raises OSError."""
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return []
    found = [(int(match.group(1)), name) for name in names if (match := _NAME.match(name))]
    return [JournalFile(directory / name, first) for first, name in sorted(found)]


def line_type(line: bytes, cache: dict[bytes, str]) -> str:
    """``typ`` of the protected header. Headers repeat, so each different one is decoded once. Raises ValueError."""
    header = line.partition(b".")[0]
    known = cache.get(header)
    if known is None:
        value = json.loads(unb64u(header.decode("ascii")))
        known = value.get("typ") if isinstance(value, dict) else None
        if not isinstance(known, str):
            raise ValueError("header has no typ")
        if len(cache) < 1024:
            cache[header] = known
    return known


def line_payload(line: bytes) -> dict[str, Any]:
    """The payload, not verified. Raises ValueError."""
    parts = line.split(b".")
    if len(parts) != 3:
        raise ValueError("not three parts")
    value = json.loads(unb64u(parts[1].decode("ascii")))
    if not isinstance(value, dict):
        raise ValueError("payload is not an object")
    return value


class JournalTail:
    """``poll`` returns what is new. A journal that was cut behind us or replaced starts over with ``JournalReset``.

    ``durable``: seq of the last record the unit knows to be on the disk; None where it says nothing: no unit process has
    run since the machine came up, so what is there has outlived that."""

    def __init__(self, directory: Path, durable: Callable[[], int | None] = lambda: None) -> None:
        self._directory = directory
        self._durable = durable
        self._limit: int | None = None
        self._held = False
        self._types: dict[bytes, str] = {}
        self._reported: set[tuple[str, int]] = set()
        self._again = False
        self._clear()

    def _clear(self) -> None:
        self._file: JournalFile | None = None
        self._inode = 0
        self._offset = 0
        self._last = b""
        self._synced = 0
        self._next_seq = 0
        self._fresh = True
        self._journal_id = ""
        self._told = ("", 0)
        self._idle = False

    def start_over(self) -> None:
        """Read from the beginning once more: what was derived from it is lost."""
        self._again = self._file is not None

    def poll(self, max_bytes: int = 4 << 20) -> tuple[list[TailEvent], bool]:
        """(events, caught up). At most about ``max_bytes`` are read, so that a long journal is taken in steps.

        ``JournalGrew`` comes only when caught up: half a journal would look shorter than what the store already has.
        """
        events: list[TailEvent] = []
        if self._again:
            self._again = False
            self._clear()
            events.append(JournalReset())
        self._limit, self._held = self._durable(), False
        try:
            caught_up = self._take(journal_files(self._directory), max_bytes, events)
        except OSError as error:
            events.append(UplinkFault(DISK, str(error), subject="journal"))
            return events, True
        if caught_up and self._journal_id and (self._journal_id, self._next_seq) != self._told:
            self._told = (self._journal_id, self._next_seq)
            events.append(JournalGrew(self._journal_id, self._next_seq - 1, self._idle))
            self._idle = True
        return events, caught_up

    def _take(self, files: list[JournalFile], max_bytes: int, events: list[TailEvent]) -> bool:
        left = max_bytes
        while left > 0:
            if not self._current(files, events):
                return True
            read, ended = self._read(files, left, events)
            left -= read
            if ended and not self._advance(files):
                return True
            if not ended and read == 0:
                return True
        return False

    def _current(self, files: list[JournalFile], events: list[TailEvent]) -> bool:
        """Make sure ``_file`` is one of ``files``. False when there is nothing to read."""
        if self._file is not None and self._file not in files:
            self._clear()
            events.append(JournalReset())
        if self._file is None:
            if not files:
                return False
            self._enter(files[0])
        return True

    def _enter(self, file: JournalFile) -> None:
        self._file = file
        self._inode = 0
        self._offset = 0
        self._last = b""
        self._synced = 0
        self._fresh = True

    def _advance(self, files: list[JournalFile]) -> bool:
        assert self._file is not None
        later = [file for file in files if file.first_seq > self._file.first_seq]
        if not later:
            return False
        self._enter(later[0])
        return True

    def _read(self, files: list[JournalFile], max_bytes: int, events: list[TailEvent]) -> tuple[int, bool]:
        """Read on in the current file: (bytes consumed, end of file reached)."""
        assert self._file is not None
        fd = os.open(self._file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            state = os.fstat(fd)
            if self._changed_behind_us(fd, state.st_ino, state.st_size):
                self._clear()
                events.append(JournalReset())
                return 1, False
            self._inode = state.st_ino
            if state.st_size > self._synced:
                os.fdatasync(fd)
                self._synced = state.st_size
            return self._consume(fd, state.st_size, max_bytes, files, events)
        finally:
            os.close(fd)

    def _changed_behind_us(self, fd: int, inode: int, size: int) -> bool:
        if self._inode and inode != self._inode:
            return True
        if size < self._offset:
            return True
        # The end of a line is its signature: the same bytes at the same place mean the same line.
        return os.pread(fd, len(self._last), self._offset - len(self._last)) != self._last

    def _consume(
        self, fd: int, size: int, max_bytes: int, files: list[JournalFile], events: list[TailEvent]
    ) -> tuple[int, bool]:
        assert self._file is not None
        start = self._offset
        stop_seq = min((file.first_seq for file in files if file.first_seq > self._file.first_seq), default=None)
        buffer = b""
        position = start
        while position < size and self._offset - start < max_bytes:
            block = os.pread(fd, min(BLOCK, size - position), position)
            if not block:
                break
            position += len(block)
            *lines, buffer = (buffer + block).split(b"\n")
            for index, line in enumerate(lines):
                # An unreadable line at the very end may be what a power cut left: the unit will cut it. One with
                # further complete lines behind it is lost for us, and said so.
                last = index == len(lines) - 1 and position >= size
                if not self._line(line, last, stop_seq, events):
                    return self._offset - start, not self._held
                self._offset += len(line) + 1
                self._last = line[-MARK:] + b"\n"
            if len(buffer) > MAX_LINE:
                self._report(JOURNAL_UNREADABLE.code, self._next_seq, "line longer than 1 MiB", events)
                return self._offset - start, True
        return self._offset - start, position >= size

    def _line(self, line: bytes, last: bool, stop_seq: int | None, events: list[TailEvent]) -> bool:
        """Take one complete line. False: wait here."""
        assert self._file is not None
        if self._fresh and self._offset == 0:
            self._begin_file(events)
        seq = self._next_seq
        if stop_seq is not None and seq >= stop_seq:
            # The unit gave this file up after a write error and wrote on in the next one: that one counts.
            return True
        if self._limit is not None and seq > self._limit:
            self._held = True
            return False
        try:
            typ = line_type(line, self._types)
            self._idle = self._idle and typ in IDLE_TYPES
            if self._fresh or typ in READ_TYPES:
                record = line_payload(line)
                seq = self._check(record, seq, events)
                fact = fact_of(typ, record) if typ in READ_TYPES else None
                if fact is not None:
                    events.append(fact)
        except ValueError as error:
            self._idle = False
            self._report(JOURNAL_UNREADABLE.code, seq, str(error), events)
            if last:
                return False
        self._fresh = False
        self._next_seq = seq + 1
        return True

    def _begin_file(self, events: list[TailEvent]) -> None:
        assert self._file is not None
        if self._file.first_seq > self._next_seq:
            missing = f"{self._next_seq}..{self._file.first_seq - 1}"
            self._report(JOURNAL_HOLE.code, self._next_seq, f"seq {missing}", events)
        self._next_seq = self._file.first_seq

    def _check(self, record: dict[str, Any], seq: int, events: list[TailEvent]) -> int:
        """The record's own seq. Another one than counted is reported; uploads go on from what the record says."""
        found, journal_id = record.get("seq"), record.get("journal_id")
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise ValueError(f"seq is {found!r}")
        if not isinstance(journal_id, str) or not journal_id:
            raise ValueError("journal_id is missing")
        if found != seq:
            self._report(JOURNAL_HOLE.code, seq, f"应为 expected {seq}, 实为 found {found}", events)
        self._journal_id = journal_id
        return found

    def _report(self, code: str, seq: int, why: str, events: list[TailEvent]) -> None:
        """Each place is reported once: the tail is polled every second."""
        if (code, seq) in self._reported:
            return
        self._reported.add((code, seq))
        kind = JOURNAL_HOLE if code == JOURNAL_HOLE.code else JOURNAL_UNREADABLE
        name = self._file.path.name if self._file else ""
        events.append(UplinkFault(kind, f"{name} seq {seq}: {why}", subject=f"seq {seq}"))
