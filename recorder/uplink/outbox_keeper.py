"""The outbox on a disk that may refuse: a recorded fault with a back-off, never the end of the process.

The database is closed at the first error and opened again later, proved by a write. Meanwhile nothing is announced and
uploads go on; the desk keeps what is to be announced. Nothing is lost with the file, for all of it stands in the journal: a
damaged one is put aside, and the journal is read from its beginning once more.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import DISK, OUTBOX, UplinkFault
from recorder.uplink.outbox import Announced, Announcement, Outbox, set_aside

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

T = TypeVar("T")

AREA: Final = "outbox"
PAUSES: Final = BackoffPolicy(1.0, 30.0)
UNREADABLE: Final = 8
"""So many openings in a row end in an I/O error (for two minutes), and it is the file and not the disk: a bad block."""


class OutboxKeeper:
    """Like :class:`Outbox`, and raises nothing. ``rebuilt`` is called when a new file has begun: what was in the old one is
    to be announced again. One thread uses it."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        board: FaultBoard,
        rebuilt: Callable[[], None],
        make: Callable[[Path], Outbox] = Outbox,
    ) -> None:
        self._path = path
        self._clock = clock
        self._board = board
        self._rebuilt = rebuilt
        self._make = make
        self._box: Outbox | None = None
        self._failures = 0
        self._not_before_us = 0
        self._count = 0
        self._put_aside: str | None = None
        """Why the old file was put aside, until a new one has begun: the disk may not have room for it at once."""
        self._open()

    def take(self, journal_id: str, news: Collection[Announced]) -> bool:
        """False while the disk refuses: to be offered again."""
        return self._use(lambda box: box.take(journal_id, news), otherwise=False)

    def pending(self, limit: int) -> list[Announcement]:
        """Nothing while the disk refuses."""
        return self._use(lambda box: box.pending(limit), otherwise=[])

    def acknowledged(self, msg_ids: Sequence[str]) -> None:
        """One that cannot be written down is announced once more, and acknowledged once more."""
        self._use(lambda box: box.acknowledged(msg_ids), otherwise=None)

    def count(self) -> int:
        """As last known."""
        self._count = self._use(Outbox.count, otherwise=self._count)
        return self._count

    def close(self) -> None:
        box, self._box = self._box, None
        if box is not None:
            with contextlib.suppress(sqlite3.Error):  # what was committed is on the disk, and nothing else counts
                box.close()

    def _use(self, act: Callable[[Outbox], T], otherwise: T) -> T:
        if self._box is None and self._clock.boottime_us() >= self._not_before_us and self._open():
            # What is asked of it is about the old one: news taken now would move the cursor past all that comes again.
            return otherwise
        if self._box is None:
            return otherwise
        try:
            return act(self._box)
        except sqlite3.Error as error:
            self._failed(error)
            return otherwise

    def _open(self) -> bool:
        """Whether a new file has begun."""
        try:
            self._box = self._make(self._path)
            if self._failures:
                self._box.prove()
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return self._is_damaged(error) and self._begin_anew(str(error))
        return self._opened()

    def _opened(self) -> bool:
        self._failures = 0
        self._board.clear(AREA, DISK.code)
        why, self._put_aside = self._put_aside, None
        if why is None:
            return False
        self._board.report(AREA, UplinkFault(OUTBOX, why))
        self._rebuilt()
        return True

    def _failed(self, error: Exception) -> None:
        self.close()
        self._failures += 1
        pause_us = round(PAUSES.delay_s(self._failures, 1.0) * 1e6)
        self._not_before_us = self._clock.boottime_us() + pause_us
        self._board.report(AREA, UplinkFault(DISK, f"{self._path.name}: {error}"))

    def _is_damaged(self, error: Exception) -> bool:
        """Locked, full, read-only or not to be opened is no damage: that passes, and the file is as good as it was."""
        if isinstance(error, sqlite3.OperationalError):
            primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
            return primary == sqlite3.SQLITE_IOERR and self._failures >= UNREADABLE
        return isinstance(error, sqlite3.DatabaseError)

    def _begin_anew(self, why: str) -> bool:
        try:
            set_aside(self._path)
            self._put_aside = why
            self._box = self._make(self._path)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            return False
        return self._opened()
