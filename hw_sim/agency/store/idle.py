"""Connections between two requests, without a thread each: one thread waits for all of them.

A unit keeps its connection for as long as it is docked and is silent most of the time. A thread that waits with it costs
some 100 KiB, most of it malloc's cache of that thread (glibc's tcache): 20 MB for 200 units (measured).
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from firmware_bridge.ports import Clock

log = logging.getLogger("agency.store")

Address: TypeAlias = Any
"""What ``accept`` says of the peer."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    connection: socket.socket
    address: Address
    until_us: int


class IdleConnections:
    """``resume``: bytes have come, or the end of the connection; ``drop``: nothing has, for ``patience_s``. Both get the
    connection and its address, on the waiting thread (``drop`` on that of ``drop_longest``, too), and own it from then on;
    they must not block or raise. ``wait`` and ``drop_longest`` may be called from any thread; nobody else touches the
    connection until one of the two has been called."""

    def __init__(
        self,
        clock: Clock,
        patience_s: float,
        resume: Callable[[socket.socket, Address], None],
        drop: Callable[[socket.socket, Address], None],
    ) -> None:
        self._clock = clock
        self._patience_us = round(patience_s * 1e6)
        self._resume = resume
        self._drop = drop
        self._lock = threading.Lock()
        self._new: list[_Waiting] = []
        self._stopped = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._waiting: dict[int, _Waiting] = {}
        """By descriptor, the one whose patience ends first at the front. Under the lock, like the selector's map."""
        self._thread = threading.Thread(target=self._run, name="idle", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Drops whatever still waits. Only after ``start``."""
        with self._lock:
            if not self._stopped:
                self._stopped = True
                self._ring()
        self._thread.join(timeout_s)

    def wait(self, connection: socket.socket, address: Address) -> None:
        waiting = _Waiting(connection, address, self._clock.boottime_us() + self._patience_us)
        with self._lock:
            if not self._stopped:
                self._new.append(waiting)
                self._ring()
                return
        self._drop(connection, address)

    def drop_longest(self, among: Callable[[socket.socket], bool] = lambda _: True) -> bool:
        """Makes room: the connection ``among`` them that has waited longest is dropped. False: none of them waits."""
        with self._lock:
            waiting = next((it for it in (*self._waiting.values(), *self._new) if among(it.connection)), None)
            if waiting is None:
                return False
            if waiting in self._new:
                self._new.remove(waiting)
            else:
                self._forget(waiting.connection.fileno())
        log.info("%s: dropped to make room for another", waiting.address)
        self._drop(waiting.connection, waiting.address)
        return True

    def _ring(self) -> None:
        try:
            self._ringer.send(b"\0")
        except BlockingIOError:
            return  # full of rings already: it will wake

    def _run(self) -> None:
        try:
            while self._take_in():
                for key, _ in self._selector.select(self._patience_left_s()):
                    if key.fileobj is self._bell:
                        self._bell.recv(4096)
                        continue
                    with self._lock:
                        waiting = self._forget(key.fd)
                    if waiting is not None:  # else dropped to make room
                        self._resume(waiting.connection, waiting.address)
                self._drop_late()
        finally:
            with self._lock:
                self._stopped = True
                left, self._new = [*self._waiting.values(), *self._new], []
                self._waiting.clear()
                self._selector.close()
                self._bell.close()
                self._ringer.close()
            for waiting in left:
                self._drop(waiting.connection, waiting.address)

    def _take_in(self) -> bool:
        """What ``wait`` was called for. False: it is over."""
        failed: list[_Waiting] = []
        with self._lock:
            new, self._new = self._new, []
            stopped = self._stopped
            for waiting in new:
                fd = waiting.connection.fileno()
                try:
                    self._selector.register(fd, selectors.EVENT_READ)
                except OSError as error:  # the system watches no more descriptors: the unit comes again
                    log.warning("%s: %s", waiting.address, error)
                    failed.append(waiting)
                else:
                    self._waiting[fd] = waiting
        for waiting in failed:
            self._drop(waiting.connection, waiting.address)
        return not stopped

    def _patience_left_s(self) -> float | None:
        with self._lock:
            first = next(iter(self._waiting.values()), None)
        return None if first is None else max(0.0, (first.until_us - self._clock.boottime_us()) / 1e6)

    def _drop_late(self) -> None:
        now = self._clock.boottime_us()
        late: list[_Waiting] = []
        with self._lock:
            while (first := next(iter(self._waiting.items()), None)) is not None and first[1].until_us <= now:
                self._forget(first[0])
                late.append(first[1])
        for waiting in late:
            log.info("%s: %.0f s without a request", waiting.address, self._patience_us / 1e6)
            self._drop(waiting.connection, waiting.address)

    def _forget(self, fd: int) -> _Waiting | None:
        """Under the lock; before the descriptor is closed, and may be somebody else's."""
        waiting = self._waiting.pop(fd, None)
        if waiting is not None:
            self._selector.unregister(fd)
        return waiting
