"""A body on its way to the disk: made durable and read back by a thread of its own while the next bytes come in.

The connection's thread receives and writes; the follower syncs what has been written and digests it as the file gives it
back. Neither keeps the line waiting, and the order stays what it was: written, durable, told. ``reached`` hears of an
offset only when everything below it is durable.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from types import TracebackType

SYNC_BYTES = 8 << 20
"""At most so much is durable later than it could be; as much again may be written before the line has to wait."""
READ_BYTES = 256 * 1024
"""Held only while something is read back: with two hundred bodies under way most of them wait for the line."""


class Follower:
    """Of one body, ``begin`` its place in the file ``fd`` (open for reading and writing). Used by one thread.

    ``reached(offset)``: called on either thread, never twice at once. ``digest``: whether to read back. ``sync(fd)``:
    what makes the file durable.
    """

    def __init__(
        self,
        fd: int,
        begin: int,
        reached: Callable[[int], None],
        digest: bool,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        self._fd = fd
        self._sync = sync
        self._reached = reached
        self._digest = hashlib.sha256() if digest else None
        self._state = threading.Condition()
        self._written = begin
        self._durable = begin
        self._ending = False
        self._error: BaseException | None = None
        self._unsynced = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Follower:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def durable(self) -> int:
        """Everything below this offset was told."""
        return self._durable

    @property
    def unsynced(self) -> bool:
        """A sync failed. The kernel reports that once and drops the pages: a later sync of the same bytes succeeds and says
        nothing of them, so what lies beyond ``durable`` must not stay in the file."""
        return self._unsynced

    def written(self, offset: int) -> None:
        """All below ``offset`` is in the file. Waits while too much of it is not durable. Raises what the sync raised:
        OSError, sqlite3.Error."""
        with self._state:
            self._written = offset
            if self._thread is None:
                if offset - self._durable < SYNC_BYTES:
                    return
                self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
                self._thread.start()
            self._state.notify_all()
            while self._error is None and self._written - self._durable >= 2 * SYNC_BYTES:
                self._state.wait()
        self._raise()

    def finish(self) -> bytes | None:
        """Everything written is durable and told when this returns: SHA-256 of it as read back, None when not asked for.
        Raises like ``written``."""
        self._end()
        self._raise()
        if self._durable < self._written:
            self._follow(self._written)
        return None if self._digest is None else self._digest.digest()

    def _run(self) -> None:
        while True:
            with self._state:
                while not self._ending and self._written - self._durable < SYNC_BYTES:
                    self._state.wait()
                if self._ending:
                    return
                offset = self._written
            try:
                self._follow(offset)
            except BaseException as error:  # noqa: BLE001  # raised on the thread that writes
                with self._state:
                    self._error = error
                    self._state.notify_all()
                return

    def _follow(self, offset: int) -> None:
        try:
            self._sync(self._fd)
        except OSError:
            self._unsynced = True
            raise
        self._reached(offset)
        if self._digest is not None:
            self._read_back(self._durable, offset)
        with self._state:
            self._durable = offset
            self._state.notify_all()

    def _read_back(self, position: int, end: int) -> None:
        assert self._digest is not None, "only asked where there is one"
        buffer = memoryview(bytearray(min(READ_BYTES, end - position)))
        while position < end:
            count = os.preadv(self._fd, [buffer[: min(len(buffer), end - position)]], position)
            if count == 0:
                raise OSError(f"the file ends at {position}, {end} were written")
            self._digest.update(buffer[:count])
            position += count

    def _end(self) -> None:
        with self._state:
            self._ending = True
            self._state.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
