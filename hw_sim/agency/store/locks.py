"""Locks between the instances of a store: one byte of a file each, gone with the process that holds it, however it ends.

Open file description locks (fcntl(2), F_OFD_SETLK): held by the descriptor, not by the process, so that threads exclude
each other too and closing another descriptor of the file releases nothing. Names are hashed to positions: nothing is left
to be cleaned up, and two names meet once in 2^62. All instances run on one machine.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_bridge.ports import Clock

POLL_S = 0.01
_FLOCK = struct.Struct("@hhqqi4x")
"""struct flock of 64-bit Linux: l_type, l_whence, l_start, l_len, l_pid."""


class StillHeld(Exception):
    """The former holder did not let go in time."""


class Locks:
    """Thread-safe; not reentrant: a second ``hold`` of one name in one thread waits for the first."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._never = threading.Event()
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    @contextmanager
    def hold(
        self, name: str, patience_s: float | None = None, asking: Callable[[], None] = lambda: None
    ) -> Iterator[None]:
        """Hold ``name``, waiting ``patience_s`` at most (None: as long as it takes). ``asking`` is called at every look in
        vain: whoever holds it may be told. Raises StillHeld, OSError."""
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            deadline = None if patience_s is None else self._clock.boottime_us() + round(patience_s * 1e6)
            while not _lock(fd, name):
                if deadline is not None and self._clock.boottime_us() >= deadline:
                    raise StillHeld(name)
                asking()
                self._never.wait(POLL_S)
            yield
        finally:
            os.close(fd)  # and with it the lock

    def keep(self, name: str) -> bool:
        """Take ``name`` for as long as this process lives, if nobody has it."""
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        if _lock(fd, name):
            return True  # the descriptor stays open on purpose
        os.close(fd)
        return False


def _lock(fd: int, name: str) -> bool:
    position = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 2
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, position, 1, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
