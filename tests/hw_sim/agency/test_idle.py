"""Connections between two requests wait without a thread each, and nothing of what they say meanwhile is lost."""

from __future__ import annotations

import queue
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency import store_process
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import IngestServer, TlsDoor
from hw_sim.agency.store.idle import IdleConnections
from hw_sim.agency.store.routes import Exchange, Reply, json_reply, route
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles
from tests.hw_sim.agency.unit_double import UnitDouble

PATIENT_S = 20.0
CONNECTIONS = 12
DEPLOY = Path(__file__).parents[3] / "deploy"


class Calls:
    """What has been resumed and dropped, in order."""

    def __init__(self, patience_s: float = 600.0) -> None:
        self.queue: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
        self.idle = IdleConnections(SystemClock(), patience_s, self._resume, self._drop)
        self.idle.start()

    def _resume(self, connection: socket.socket, address: str) -> None:
        self.queue.put(("resume", address))

    def _drop(self, connection: socket.socket, address: str) -> None:
        self.queue.put(("drop", address))

    def next(self) -> tuple[str, str]:
        return self.queue.get(timeout=PATIENT_S)


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(3)]
    yield made
    for pair in made:
        for end in pair:
            end.close()


def test_who_speaks_is_resumed_and_the_others_wait_on(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    calls = Calls()
    for number, (ours, _) in enumerate(pairs):
        calls.idle.wait(ours, f"unit {number}")
    pairs[1][1].send(b"G")
    assert calls.next() == ("resume", "unit 1")
    assert pairs[1][0].recv(10) == b"G"  # looked at, not taken
    pairs[0][1].close()
    assert calls.next() == ("resume", "unit 0")
    calls.idle.stop(PATIENT_S)
    assert calls.next() == ("drop", "unit 2")
    calls.idle.wait(pairs[1][0], "too late")
    assert calls.next() == ("drop", "too late")
    assert calls.queue.empty()


def test_bytes_that_came_before_the_wait_began_are_seen(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    calls = Calls()
    pairs[0][1].send(b"G")
    for _ in range(3):  # and again each time it is handed over
        calls.idle.wait(pairs[0][0], "unit 0")
        assert calls.next() == ("resume", "unit 0")
    calls.idle.stop(PATIENT_S)


def test_who_is_silent_for_too_long_is_dropped(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    calls = Calls(patience_s=0.01)
    for number, (ours, _) in enumerate(pairs):
        calls.idle.wait(ours, f"unit {number}")
    assert [calls.next() for _ in pairs] == [("drop", f"unit {number}") for number in range(3)]
    calls.idle.stop(PATIENT_S)


def test_the_longest_silent_one_makes_room(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    calls = Calls()
    ours = [pair[0] for pair in pairs]
    assert not calls.idle.drop_longest()
    for number, connection in enumerate(ours):
        calls.idle.wait(connection, f"unit {number}")
    assert calls.idle.drop_longest(lambda it: it is not ours[0])
    assert calls.next() == ("drop", "unit 1")
    assert calls.idle.drop_longest()
    assert calls.next() == ("drop", "unit 0")
    pairs[2][1].send(b"G")
    assert calls.next() == ("resume", "unit 2")
    assert not calls.idle.drop_longest()
    calls.idle.stop(PATIENT_S)
    assert calls.queue.empty()


def test_silent_connections_have_no_threads(authority: Authority, tmp_path: Path) -> None:
    trust = AgencyTrust(authority.ca_file, authority.crl_file)
    contexts = TlsContexts(TlsFiles(authority.server_dir, authority.ca_file, authority.crl_file), trust)
    clock = SystemClock()
    served: set[threading.Thread] = set()

    def whoami(exchange: Exchange, _match: re.Match[str]) -> Reply:
        served.add(threading.current_thread())
        return json_reply(200, {"peer": exchange.peer})

    routes = (route("GET", "/whoami", whoami),)
    server = IngestServer(TlsDoor(("127.0.0.1", 0), contexts, clock), routes, clock, Timeouts(thread_s=0.01))
    server.start()
    unit = UnitDouble.enrolled(authority, "zfy-idle", tmp_path / "unit", server.port)
    links = [unit.connect() for _ in range(CONNECTIONS)]
    try:
        for _ in range(2):
            for link in links:
                assert unit.request("GET", "/whoami", connection=link).json == {"peer": unit.unit_id}
            for thread in served:
                thread.join(PATIENT_S)
            assert not any(thread.is_alive() for thread in served)
        socks = [link.sock for link in links]
        # Two requests in one write: what is read ahead belongs to the next one.
        socks[0].sendall(b"GET /whoami HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        data = b""
        while data.count(b'"peer"') < 2:
            piece = socks[0].recv(65536)
            assert piece, data
            data += piece
        assert [link.sock for link in links] == socks, "a connection was not kept"
    finally:
        for link in links:
            link.close()
        server.stop()


@pytest.mark.parametrize("name", ["Containerfile", "systemd/zfy-ingest@.service"])
def test_whoever_starts_an_instance_sets_the_same_malloc_tunables(name: str) -> None:
    assert f"GLIBC_TUNABLES={store_process.TUNABLES}\n" in (DEPLOY / name).read_text(encoding="utf-8")
