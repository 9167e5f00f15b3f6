"""Brings the index up to the journal in slices, so that recording never waits for it.

An index that was deleted, or that the disk refused, is made anew from the whole journal: seconds to half a minute with ten
thousand segments on a Pi. The unit records meanwhile; what needs the whole index (receipts, releases) waits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from firmware_bridge.ports import Clock
from recorder.evidence.files import Files
from recorder.evidence.journal import Journal
from recorder.evidence.journal_reader import JournalLine, iterate
from recorder.unit.index import Index

log = logging.getLogger("recorder.index")

BATCH = 100
RETRY_US = 5_000_000
INDEXED = (
    "segment-open",
    "segment-close",
    "recovery",
    "receipt",
    "release",
    "interruption",
    "resumption",
    "event",
    "fault",
    "explanation",
    "statement",
    "session-start",
    "session-stop",
)
"""Record types the index has a use for."""


class CatchUp:
    """For the main loop: call :meth:`step` between two commits, when every signed line is durable."""

    def __init__(self, index: Index, files: Files, journal: Journal, clock: Clock) -> None:
        self._index = index
        self._files = files
        self._journal = journal
        self._clock = clock
        self._lines: Iterator[JournalLine] | None = None
        self._target = -1
        self._losses = 0
        self._not_before_us = 0

    def step(self, budget_us: int) -> bool:
        """Work for about ``budget_us``, if there is anything to do; True when the index knows every durable record."""
        if not self._index.behind:
            return True
        now = self._clock.boottime_us()
        if now < self._not_before_us or self._journal.unsynced:
            return False
        try:
            return self._work(now + budget_us)
        except OSError as error:
            log.error("index.catch-up", extra={"fields": {"error": str(error)}})
            self._lines, self._not_before_us = None, now + RETRY_US
            return False

    def _work(self, deadline_us: int) -> bool:
        if self._lines is None or self._losses != self._index.losses:
            self._lines = self._begin()
        batch = []
        for line in self._lines:
            if line.seq <= self._target:
                batch.append((line.parts.typ, line.parts.payload))
            if len(batch) >= BATCH:
                self._index.apply(batch)
                batch = []
                if self._clock.boottime_us() >= deadline_us:
                    return False
        self._index.apply(batch)
        self._lines = None
        if self._losses != self._index.losses:
            return False
        self._index.reached(self._journal.journal_id, self._target)
        # Lines written meanwhile are another, shorter round.
        self._index.behind = self._target < self._newest()
        return not self._index.behind

    def _begin(self) -> Iterator[JournalLine]:
        index, newest = self._index, self._newest()
        last = index.last_seq(self._journal.journal_id)
        if last > newest:
            last = -1  # it knows lines the journal does not have: it belongs to another state of the disk
        if last < 0:
            index.clear()
        self._losses, self._target = index.losses, newest
        return iterate(self._files, self._journal.directory, last + 1, INDEXED)

    def _newest(self) -> int:
        durable = self._journal.durable
        return -1 if durable is None else durable[0]
