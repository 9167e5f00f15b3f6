"""Which durable entries wait for a signature, and which reports may be acknowledged: pure bookkeeping.

The order is the promise: the worker reports an entry only when it is durable; the unit process signs it in a ``head``;
only when that line is durable too is the report acknowledged. So *signed implies durable*, and what is not acknowledged
is reported again or, after a crash, found by recovery as durable but unsigned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.channel.messages import EntryWritten
from recorder.evidence.records import Entry, Head


class ChannelOrderError(Exception):
    """A worker reported entries out of order: its digests cannot be believed any more."""


@dataclass(slots=True)
class _Waiting:
    first: int
    entries: list[Entry] = field(default_factory=list)
    reports: list[int] = field(default_factory=list)


class HeadBook:
    """Entries of one camera's segments between report and signature."""

    def __init__(self, interval_us: int) -> None:
        self._interval_us = interval_us
        self._waiting: dict[str, _Waiting] = {}
        self._next_entry: dict[str, int] = {}
        self._oldest_us: int | None = None
        self._open_reports: set[int] = set()
        self._highest = 0

    def is_new(self, n: int) -> bool:
        """False for a report that was already taken in (the worker repeats until acknowledged)."""
        return n > self._highest

    def arrived(self, n: int) -> None:
        """Report ``n`` was taken in and is not signed yet."""
        if n <= self._highest:
            raise ChannelOrderError(f"report {n} after {self._highest}")
        self._highest = n
        self._open_reports.add(n)

    def add(self, message: EntryWritten, now_us: int) -> None:
        """Take in a durable entry. Raises ChannelOrderError when it does not follow the segment's last one."""
        expected = self._next_entry.get(message.segment_id, 0)
        if message.entry != expected:
            raise ChannelOrderError(f"{message.segment_id}: entry {message.entry}, expected {expected}")
        self._next_entry[message.segment_id] = expected + 1
        waiting = self._waiting.setdefault(message.segment_id, _Waiting(first=message.entry))
        waiting.entries.append(
            (message.offset, message.length, message.sha256_stored, message.sha256_plain, message.media_end_us)
        )
        waiting.reports.append(message.n)
        if self._oldest_us is None:
            self._oldest_us = now_us

    def due_us(self) -> int | None:
        """Boot-time at which the oldest waiting entry has to be signed; None when nothing waits."""
        return None if self._oldest_us is None else self._oldest_us + self._interval_us

    def take(self) -> list[tuple[Head, list[int]]]:
        """The heads to append now, each with the reports it settles. Empties the book."""
        taken = [
            (Head(segment_id=segment_id, first=waiting.first, entries=tuple(waiting.entries)), waiting.reports)
            for segment_id, waiting in self._waiting.items()
        ]
        self._waiting.clear()
        self._oldest_us = None
        return taken

    def settled(self, reports: list[int]) -> None:
        """These reports are signed and durable."""
        self._open_reports.difference_update(reports)

    def acknowledgeable(self) -> int:
        """The highest ``n`` such that it and every report before it is settled (0: none)."""
        return min(self._open_reports) - 1 if self._open_reports else self._highest

    def forget(self, segment_id: str) -> None:
        """The segment is closed: nothing more can come."""
        self._next_entry.pop(segment_id, None)
