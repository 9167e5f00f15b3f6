"""The part of the journal a start did not verify, verified in the background: a low-priority thread that mostly waits.

A start verifies the last checkpoint and what follows, because recording must not wait for the years before. What was
altered there is reported to the main loop, which signs it as a ``journal-altered`` fault.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.ports import Clock
from recorder.evidence.files import Files
from recorder.evidence.journal_backlog import JournalDamage, verify_backlog
from recorder.evidence.journal_loader import Finding
from recorder.evidence.p256 import PublicKey
from recorder.evidence.state import JournalState
from recorder.unit.events import JournalAltered, UnitEvent

log = logging.getLogger("recorder.evidence")

START_AFTER_S = 10.0
REST = 4
"""It rests four times as long as it works: a fifth of one core at most."""
NICE = 19


def backlog_end(before: JournalState) -> int:
    """``seq`` behind the checkpoint a start began at: what lies before was not verified, and that the checkpoint follows
    on it neither. 0 when the start read everything."""
    return before.next_seq - before.since_checkpoint if before.since_checkpoint < before.next_seq else 0


class JournalCheck:
    """``until_seq`` from :func:`backlog_end`. Reads with ``files``, never writes."""

    def __init__(
        self,
        files: Files,
        directory: Path,
        keys: Iterable[PublicKey],
        until_seq: int,
        events: queue.Queue[UnitEvent],
        clock: Clock,
        start_after_s: float = START_AFTER_S,
    ) -> None:
        self._files = files
        self._directory = directory
        self._keys = tuple(keys)
        self._until_seq = until_seq
        self._events = events
        self._clock = clock
        self._start_after_s = start_after_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-check", daemon=True)

    def start(self) -> None:
        if self._until_seq > 0:
            self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(5)

    def _run(self) -> None:
        try:
            # On Linux this is the thread's own priority (setpriority(2), "C library/kernel differences").
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        except OSError as error:
            log.warning("journal.check-priority", extra={"fields": {"error": str(error)}})
        if self._stop.wait(self._start_after_s):
            return
        try:
            self._verify()
        except JournalDamage as damage:
            self._events.put(JournalAltered(damage.finding))
        except OSError as error:
            zh, en = f"日志无法读取：{error}", f"the journal cannot be read: {error}"
            self._events.put(JournalAltered(Finding("journal-unreadable", zh, en, "journal")))

    def _verify(self) -> None:
        began = self._clock.boottime_us()
        for progress in verify_backlog(self._files, self._directory, self._keys, self._until_seq):
            if self._stop.wait(REST * (self._clock.boottime_us() - began) / 1e6):
                return
            if progress.records >= self._until_seq:
                log.info("journal.verified", extra={"fields": {"records": progress.records}})
            began = self._clock.boottime_us()
