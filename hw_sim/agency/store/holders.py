"""Who works on an upload right now: one request at a time, and a new one throws a stale one off, in whichever instance.

A half-dead connection would otherwise hold its upload until it times out while everything the unit sends meanwhile is
wasted (measured: 33.8 MB instead of 5.1 MB sent twice on a faulty line).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from hw_sim.agency.store.locks import Locks, StillHeld

ASK_EVERY = 10
"""Looks in vain between two messages to the other instances."""

__all__ = ["Holders", "StillHeld"]


@dataclass(slots=True)
class _Seat:
    lock: threading.Lock = field(default_factory=threading.Lock)
    holder: socket.socket | None = None
    users: int = 0


class Holders:
    """Thread-safe. Seats exist only while somebody uses or waits for them.

    ``tell_others(upload_id)``: asks the other instances to ``let_go``; without ``locks`` there are none.
    """

    def __init__(
        self, patience_s: float, locks: Locks | None = None, tell_others: Callable[[str], None] = lambda _: None
    ) -> None:
        self._patience_s = patience_s
        self._locks = locks
        self._tell_others = tell_others
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
            try:
                with self._everywhere(upload_id, self._patience_s):
                    with self._lock:
                        seat.holder = connection
                    yield
            finally:
                with self._lock:
                    seat.holder = None
                seat.lock.release()
        finally:
            self._leave(upload_id, seat)

    @contextmanager
    def hold_if_free(self, upload_id: str) -> Iterator[bool]:
        """Hold ``upload_id`` unless somebody works on it: housekeeping throws nobody off. Whether it is held."""
        with self._lock:
            seat = self._seats.setdefault(upload_id, _Seat())
            seat.users += 1
        try:
            if not seat.lock.acquire(blocking=False):
                yield False
                return
            try:
                with ExitStack() as stack:
                    try:
                        stack.enter_context(self._everywhere(upload_id, 0.0))
                    except StillHeld:
                        yield False
                    else:
                        yield True
            finally:
                seat.lock.release()
        finally:
            self._leave(upload_id, seat)

    def let_go(self, upload_id: str) -> None:
        """Another instance's request wants ``upload_id``: end the reading of whoever holds it here."""
        with self._lock:
            seat = self._seats.get(upload_id)
            if seat is not None and seat.holder is not None:
                _shut(seat.holder)

    @contextmanager
    def _everywhere(self, upload_id: str, patience_s: float) -> Iterator[None]:
        if self._locks is None:
            yield
            return
        looks = 0

        def ask() -> None:
            nonlocal looks
            if patience_s and looks % ASK_EVERY == 0:
                self._tell_others(upload_id)
            looks += 1

        with self._locks.hold(f"upload {upload_id}", patience_s, ask):
            yield

    def _leave(self, upload_id: str, seat: _Seat) -> None:
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
