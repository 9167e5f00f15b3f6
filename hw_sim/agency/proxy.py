"""A TCP proxy whose line can be cut, stalled and slowed: the simulator's network faults, below TLS.

One thread, one selector. ``refuse``: nobody listens and every connection is reset (no network). ``stall``: connections
open and are accepted, not a byte moves (a dead cell with its sockets still up). ``slow`` sets a byte rate. Bytes
under way in a stall arrive when it ends, as they do in life. ``mishap`` strikes single connections (``mishaps``).
``lead_to`` is what a captive portal or a gateway does: somebody else stands behind the same address.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from firmware_bridge.ports import Clock
from hw_sim.agency.mishaps import Kind, Mishap

Mode = Literal["ok", "refuse", "stall"]
BUFFER = 64 * 1024
"""Bytes under way in each direction, once here and once in the kernel. Loopback sockets would otherwise grow to megabytes
and every fault would swallow what no real line could hold."""
PIECE = 1460
"""A connection's least share of a slowed line in one round: a segment of Ethernet."""
TICK_S = 0.02
BURST_S = 0.1
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER 0: close sends RST


@dataclass(slots=True, eq=False)
class _Pipe:
    """One direction: what was read from ``source`` and not yet written to ``target``."""

    source: socket.socket
    target: socket.socket
    upward: bool
    waiting: bytearray = field(default_factory=bytearray)
    moved: int = 0
    source_ended: bool = False
    target_told: bool = False


@dataclass(slots=True, eq=False)
class _Link:
    """``stranded``: open on both sides, and nothing moves any more. ``struck``: a mishap has had it."""

    up: _Pipe
    down: _Pipe
    connecting: bool = True
    stranded: bool = False
    struck: bool = False


class FaultProxy:
    """Listens on a port of its own; ``port`` stays the same all its life. Thread-safe."""

    def __init__(self, target_port: int, clock: Clock) -> None:
        self._home = self._target = target_port
        self._clock = clock
        self._lock = threading.Condition()
        self._asked = self._done = 0
        self._mode: Mode = "ok"
        self._rate: float | None = None
        self._burst_s = BURST_S
        self._cut_after: int | None = None
        self._mishap: Mishap | None = None
        self._reset_wanted = self._strand_wanted = False
        self._links: list[_Link] = []
        self._listener: socket.socket | None = _listen(0)
        self.port = int(self._listener.getsockname()[1])
        self.bytes_up = 0
        """Bytes taken from clients so far."""
        self.resets = 0
        self._selector = selectors.DefaultSelector()
        self._watched: dict[socket.socket, int] = {}
        """What is registered there, and for what."""
        self._doors = selectors.DefaultSelector()
        """What is waited for when no byte may move: a new connection, or a change."""
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._doors.register(self._wake_out, selectors.EVENT_READ)
        self._doors.register(self._listener, selectors.EVENT_READ)
        self._closing = False
        self._last_us = clock.boottime_us()
        self._allowance = 0.0
        self._thread = threading.Thread(target=self._run, name=f"proxy-{target_port}", daemon=True)
        self._thread.start()

    # --- what a scenario does with it --------------------------------------------------------------------------------

    def mode(self, mode: Mode) -> None:
        """For every connection; in effect when this returns, like every change here."""
        with self._change():
            self._mode = mode

    def reset(self) -> None:
        """Reset every connection there is; new ones work."""
        with self._change():
            self._reset_wanted = True

    def slow(self, bytes_per_s: float | None, burst_s: float = BURST_S) -> None:
        """A rate for all connections and both directions together; None: as fast as it goes. ``burst_s``: what was not used
        for so long may follow at once. On a machine with other work this thread gets no core for longer than a tenth of a
        second, and a line has no such pauses."""
        with self._change():
            self._rate = bytes_per_s
            self._burst_s = burst_s

    def cut_after(self, count: int | None) -> None:
        """Reset each connection once ``count`` bytes went from client to server; None: never."""
        with self._change():
            self._cut_after = count

    def mishap(self, kind: Kind, after: int, times: int | None = None) -> None:
        """Strike connections once ``after`` bytes went from client to server: the next ``times`` of them, None: each."""
        with self._change():
            self._mishap = Mishap(kind, after, times)

    def lead_to(self, port: int | None) -> None:
        """New connections go to this port of 127.0.0.1; None: to where they went at first. Those there are stay."""
        with self._change():
            self._target = self._home if port is None else port

    def strand(self) -> None:
        """Every connection there is stays open and moves nothing any more (half-open); new ones work."""
        with self._change():
            self._strand_wanted = True

    @property
    def strikes(self) -> int:
        """How many connections the mishap has struck."""
        return 0 if self._mishap is None else self._mishap.strikes

    def close(self) -> None:
        self._closing = True
        self._wake()
        self._thread.join(5)
        self._wake_in.close()
        self._wake_out.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """A change of the settings; done when the loop works by it."""
        with self._lock:
            yield
            self._asked += 1
            self._wake()
            mine = self._asked
            self._lock.wait_for(lambda: self._done >= mine or self._closing, 5.0)

    def _wake(self) -> None:
        self._wake_in.send(b".")

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing:
                self._round()
        finally:
            for link in list(self._links):
                self._drop(link)
            if self._listener is not None:
                self._listener.close()
            self._selector.close()
            self._doors.close()

    def _round(self) -> None:
        with self._lock:
            mode, rate, cut = self._mode, self._rate, self._cut_after
            reset, self._reset_wanted = self._reset_wanted, False
            strand, self._strand_wanted = self._strand_wanted, False
            asked = self._asked
        if mode == "refuse" or reset:
            for link in list(self._links):
                self._drop(link)
        for link in self._links if strand else []:
            link.stranded = True
        self._listen_or_not(mode)
        with self._lock:
            self._done = asked
            self._lock.notify_all()
        ready = self._wait(mode, rate)
        if self._listener is not None and self._listener.fileno() in ready:
            self._accept()
        if mode != "stall":
            moving = [link for link in self._links if not link.stranded]
            share = self._budget(rate)
            if rate is not None:
                asking = sum(pipe.source.fileno() in ready for link in moving for pipe in (link.up, link.down))
                share = share_of(share, asking)
            for link in moving:
                self._move(link, ready, share, cut)
        else:
            self._last_us = self._clock.boottime_us()  # a dead line makes up for nothing

    def _listen_or_not(self, mode: Mode) -> None:
        if mode == "refuse" and self._listener is not None:
            self._forget(self._listener)
            self._doors.unregister(self._listener)
            self._listener.close()
            self._listener = None
        elif mode != "refuse" and self._listener is None:
            self._listener = _listen(self.port)
            self._doors.register(self._listener, selectors.EVENT_READ)

    def _wait(self, mode: Mode, rate: float | None) -> set[int]:
        """File descriptors that are ready."""
        if rate is not None and self._allowance <= 0:
            return self._select(self._doors, TICK_S)
        if mode == "stall":
            return self._select(self._doors, None)
        wanted = self._wanted()
        for sock in [sock for sock in self._watched if sock not in wanted]:
            self._forget(sock)
        for sock, events in wanted.items():
            if sock not in self._watched:
                self._selector.register(sock, events)
            elif self._watched[sock] != events:
                self._selector.modify(sock, events)
            self._watched[sock] = events
        return self._select(self._selector, None)

    def _select(self, selector: selectors.BaseSelector, timeout_s: float | None) -> set[int]:
        ready = {key.fd for key, _ in selector.select(timeout_s)}
        if self._wake_out.fileno() in ready:
            self._wake_out.recv(4096)
        return ready

    def _wanted(self) -> dict[socket.socket, int]:
        """What each socket is waited for. Hardly any of it changes from one round to the next, and hundreds of units wait
        here with little to say."""
        wanted: dict[socket.socket, int] = {self._wake_out: selectors.EVENT_READ}
        if self._listener is not None:
            wanted[self._listener] = selectors.EVENT_READ
        for link in self._links:
            if link.stranded:
                continue
            if link.connecting:
                wanted[link.up.target] = selectors.EVENT_WRITE
                continue
            for pipe in (link.up, link.down):
                if not pipe.source_ended and len(pipe.waiting) < BUFFER:
                    wanted[pipe.source] = wanted.get(pipe.source, 0) | selectors.EVENT_READ
                if pipe.waiting:
                    wanted[pipe.target] = wanted.get(pipe.target, 0) | selectors.EVENT_WRITE
        return wanted

    def _forget(self, sock: socket.socket) -> None:
        """Before it is closed: its number is the next socket's."""
        if self._watched.pop(sock, None) is not None:
            self._selector.unregister(sock)

    def _budget(self, rate: float | None) -> int:
        now = self._clock.boottime_us()
        elapsed, self._last_us = (now - self._last_us) / 1e6, now
        if rate is None:
            self._allowance = 0.0
            return BUFFER
        self._allowance = min(self._allowance + elapsed * rate, max(rate * self._burst_s, 1.0))
        return min(BUFFER, int(self._allowance))

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:
            return  # it went away between select and accept
        server = socket.socket()
        for sock in (client, server):
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        server.connect_ex(("127.0.0.1", self._target))
        self._links.append(_Link(_Pipe(client, server, True), _Pipe(server, client, False)))

    def _move(self, link: _Link, ready: set[int], budget: int, cut: int | None) -> None:
        try:
            if link.connecting:
                if link.up.target.fileno() not in ready:
                    return
                if error := link.up.target.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(error, "connect")
                link.connecting = False
            for pipe in (link.up, link.down):
                self._take(pipe, ready, budget)
                self._strike(link, pipe)
                if link.stranded or link not in self._links:
                    return
                self._give(pipe)
        except OSError:
            self._drop(link)
            return
        if cut is not None and link.up.moved >= cut:
            self._drop(link)
        elif link.up.target_told and link.down.target_told:
            self._drop(link, reset=False)

    def _take(self, pipe: _Pipe, ready: set[int], budget: int) -> None:
        if pipe.source.fileno() in ready and not pipe.source_ended and len(pipe.waiting) < BUFFER and budget > 0:
            try:
                data = pipe.source.recv(min(BUFFER - len(pipe.waiting), budget))
            except BlockingIOError:
                return
            pipe.source_ended = not data
            pipe.waiting += data
            pipe.moved += len(data)
            self._allowance -= len(data)
            self.bytes_up += len(data) if pipe.upward else 0

    @staticmethod
    def _give(pipe: _Pipe) -> None:
        if pipe.waiting:
            try:
                del pipe.waiting[: pipe.target.send(pipe.waiting)]
            except BlockingIOError:
                return
        if pipe.source_ended and not pipe.waiting and not pipe.target_told:
            pipe.target_told = True
            pipe.target.shutdown(socket.SHUT_WR)

    def _strike(self, link: _Link, pipe: _Pipe) -> None:
        mishap = self._mishap
        if mishap is None or link.struck or not mishap.strikes_now(link.up.moved, pipe.upward, bool(pipe.waiting)):
            return
        link.struck = True
        mishap.strikes += 1
        if mishap.kind == "stall":
            link.stranded = True
        elif mishap.kind == "flip":
            pipe.waiting[-1] ^= 1
        else:
            self._drop(link)

    def _drop(self, link: _Link, *, reset: bool = True) -> None:
        self._links.remove(link)
        self.resets += reset
        for sock in (link.up.source, link.up.target):
            self._forget(sock)
            if reset:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            sock.close()


def share_of(budget: int, asking: int) -> int:
    """What each of so many connections may take in this round of a slowed line: the same, in small pieces, so that a short
    question does not wait because others send much. What a piece is above the budget is owed in the rounds to come."""
    return min(budget, max(PIECE, budget // max(1, asking)))


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)  # inherited by what it accepts
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    listener.setblocking(False)
    return listener
