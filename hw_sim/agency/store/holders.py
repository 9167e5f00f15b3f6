"""Who works on an upload right now: one request at a time, and a new one throws a stale one off.

A half-dead connection would otherwise hold its upload until it times out while everything the unit sends meanwhile is
wasted (measured: 33.8 MB instead of 5.1 MB sent twice on a faulty line).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Seat:
    lock: threading.Lock = field(default_factory=threading.Lock)
    holder: socket.socket | None = None
    users: int = 0


class StillHeld(Exception):
    """The former holder did not let go in time."""


class Holders:
    """Thread-safe. Seats exist only while somebody uses or waits for them."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._seats: dict[str, _Seat] = {}

    @contextmanager
    def hold(self, upload_id: str, connection: socket.socket | None) -> Iterator[None]:
        """Hold ``upload_id``; whoever holds it has its connection's read side shut down first. Raises StillHeld."""
        with self._lock:
            seat = self._seats.setdefault(upload_id, _Seat())
            seat.users += 1
            stale = seat.holder
            if stale is not None and stale is not connection:
                _shut(stale)
        try:
            if not seat.lock.acquire(timeout=self._patience_s):
                raise StillHeld(upload_id)
            with self._lock:
                seat.holder = connection
            try:
                yield
            finally:
                with self._lock:
                    seat.holder = None
                seat.lock.release()
        finally:
            with self._lock:
                seat.users -= 1
                if seat.users == 0:
                    del self._seats[upload_id]


def _shut(connection: socket.socket) -> None:
    try:
        # Not SSLSocket.shutdown: that would drop the TLS state under the thread that is reading.
        socket.socket.shutdown(connection, socket.SHUT_RD)
    except OSError:
        return  # it is gone already: that is all that was wanted
