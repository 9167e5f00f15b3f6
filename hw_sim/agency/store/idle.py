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
    connection and its address, on the waiting thread, and own it from then on; they must not block or raise. ``wait`` may
    be called from any thread; nobody else touches the connection until one of the two has been called."""

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
        """By descriptor, the one whose patience ends first at the front."""
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
                    else:
                        waiting = self._let_go(key.fd)
                        self._resume(waiting.connection, waiting.address)
                self._drop_late()
        finally:
            for fd in list(self._waiting):
                waiting = self._let_go(fd)
                self._drop(waiting.connection, waiting.address)
            self._selector.close()
            with self._lock:
                self._stopped = True
                left, self._new = self._new, []
                self._bell.close()
                self._ringer.close()
            for waiting in left:
                self._drop(waiting.connection, waiting.address)

    def _take_in(self) -> bool:
        """What ``wait`` was called for. False: it is over."""
        with self._lock:
            new, self._new = self._new, []
            stopped = self._stopped
        for waiting in new:
            fd = waiting.connection.fileno()
            try:
                self._selector.register(fd, selectors.EVENT_READ)
            except OSError as error:  # the system watches no more descriptors: the unit comes again
                log.warning("%s: %s", waiting.address, error)
                self._drop(waiting.connection, waiting.address)
            else:
                self._waiting[fd] = waiting
        return not stopped

    def _patience_left_s(self) -> float | None:
        first = next(iter(self._waiting.values()), None)
        return None if first is None else max(0.0, (first.until_us - self._clock.boottime_us()) / 1e6)

    def _drop_late(self) -> None:
        now = self._clock.boottime_us()
        while (first := next(iter(self._waiting.items()), None)) is not None and first[1].until_us <= now:
            waiting = self._let_go(first[0])
            log.info("%s: %.0f s without a request", waiting.address, self._patience_us / 1e6)
            self._drop(waiting.connection, waiting.address)

    def _let_go(self, fd: int) -> _Waiting:
        self._selector.unregister(fd)
        return self._waiting.pop(fd)
