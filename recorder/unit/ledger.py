"""The journal as the main loop uses it: records are collected while events are handled, then signed and synced at once.

One ``fdatasync`` per turn of the loop instead of one per record. When the disk refuses, the records wait here and the
turn is tried again: recording goes on, nothing is acknowledged to the workers, and the fault is shown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from recorder.evidence.journal import Journal, JournalError
from recorder.evidence.records import Record
from recorder.unit.index import Index


class Ledger:
    def __init__(self, journal: Journal, index: Index) -> None:
        self._journal = journal
        self._index = index
        self._waiting: deque[Record | None] = deque()
        self._signed: list[tuple[str, dict[str, Any]]] = []
        self._after: list[Callable[[], None]] = []
        self._observers: list[Callable[[Record], None]] = []
        self._unseen: deque[Record] = deque()
        self._showing = False
        self.error: JournalError | None = None

    def subscribe(self, observer: Callable[[Record], None]) -> None:
        """``observer`` sees every record in the order of the journal, also those it writes itself."""
        self._observers.append(observer)

    @property
    def unwritten(self) -> int:
        """Records no line of the disk holds yet."""
        return sum(record is not None for record in self._waiting) + len(self._signed)

    def write(self, record: Record) -> None:
        """Append at the next commit."""
        self._waiting.append(record)
        self._unseen.append(record)
        if self._showing:
            return  # written by an observer: shown after the record it is about
        self._showing = True
        try:
            while self._unseen:
                seen = self._unseen.popleft()
                for observer in self._observers:
                    observer(seen)
        finally:
            self._showing = False

    def rotate(self) -> None:
        """Begin a new file at this place of the order."""
        self._waiting.append(None)

    def after_commit(self, act: Callable[[], None]) -> None:
        """Do this once everything written so far is durable: acknowledgements, messages to workers."""
        self._after.append(act)

    def commit(self) -> bool:
        """Sign, write and sync what waits, then run what waited for it. False (and ``error``) when the disk refused.

        What was signed but not synced stays in ``_signed`` until a later attempt succeeds: only then does it count.
        """
        try:
            while self._waiting:
                record = self._waiting[0]
                if record is None:
                    self._journal.rotate()
                else:
                    appended = self._journal.append(record, sync=False)
                    self._signed.append((record.TYP, appended.payload))
                self._waiting.popleft()
            if self._signed or self._journal.unsynced:
                self._journal.sync()
        except JournalError as error:
            self.error = error
            return False
        self.error = None
        if self._signed:
            signed, self._signed = self._signed, []
            if not self._index.behind:  # else catch_up reads these too, in their order
                self._index.apply(signed)
        after, self._after = self._after, []
        for act in after:
            act()
        return True
