"""Connections are few, and one unit cannot take them from the others: silent ones yield, and each unit has its share."""

from __future__ import annotations

import http.client
import queue
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import ConnectionLimits, IngestServer, TlsDoor
from hw_sim.agency.store.routes import Exchange, Reply, json_reply, route
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles
from tests.hw_sim.agency.unit_double import UnitDouble

PATIENT_S = 20.0
BRISK = Timeouts(thread_s=0.01)
CLOSED = (ConnectionError, ssl.SSLError, http.client.RemoteDisconnected)


class Busy:
    """Requests that are answered when the test says so."""

    def __init__(self) -> None:
        self.entered: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
        self.go_on = threading.Event()

    def wait(self, exchange: Exchange, _match: re.Match[str]) -> Reply:
        self.entered.put(threading.current_thread())
        assert self.go_on.wait(PATIENT_S)
        return json_reply(200, {"peer": exchange.peer})


class Store:
    def __init__(self, authority: Authority, folder: Path) -> None:
        trust = AgencyTrust(authority.ca_file, authority.crl_file)
        contexts = TlsContexts(TlsFiles(authority.server_dir, authority.ca_file, authority.crl_file), trust)
        self.door = TlsDoor(("127.0.0.1", 0), contexts, SystemClock())
        self.busy = Busy()
        self.spoke: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()
        self._authority, self._folder = authority, folder
        self._open = ExitStack()
        self._port = 0

    def _whoami(self, exchange: Exchange, _match: re.Match[str]) -> Reply:
        self.spoke.put(threading.current_thread())
        return json_reply(200, {"peer": exchange.peer})

    def start(
        self,
        limits: ConnectionLimits,
        timeouts: Timeouts = BRISK,
        kind: Callable[..., IngestServer] = IngestServer,
    ) -> None:
        routes = (route("GET", "/whoami", self._whoami), route("GET", "/busy", self.busy.wait))
        server = kind(self.door, routes, SystemClock(), timeouts, limits=limits)
        server.start()
        self._open.callback(server.stop)
        self._open.callback(self.busy.go_on.set)
        self._port = server.port

    def close(self) -> None:
        self._open.close()

    def unit(self, name: str) -> UnitDouble:
        return UnitDouble.enrolled(self._authority, name, self._folder / name, self._port)

    def link(self, unit: UnitDouble) -> http.client.HTTPSConnection:
        made = unit.connect()
        self._open.callback(made.close)
        return made

    def ask(self, unit: UnitDouble, link: http.client.HTTPSConnection) -> None:
        """And wait until the connection is silent: its thread has handed it over."""
        assert unit.request("GET", "/whoami", connection=link).json == {"peer": unit.unit_id}
        self.spoke.get(timeout=PATIENT_S).join(PATIENT_S)

    def work(self, link: http.client.HTTPSConnection) -> threading.Thread:
        """A request under way: its thread."""
        link.request("GET", "/busy")
        return self.busy.entered.get(timeout=PATIENT_S)

    def come_in(self, unit: UnitDouble) -> http.client.HTTPSConnection:
        """As units do: again until it is let in."""
        for _ in range(100):
            link = self.link(unit)
            try:
                self.ask(unit, link)
            except CLOSED:
                link.close()
                threading.Event().wait(0.05)
            else:
                return link
        pytest.fail("never let in")


@pytest.fixture
def store(authority: Authority, tmp_path: Path) -> Iterator[Store]:
    made = Store(authority, tmp_path)
    yield made
    made.close()


def is_closed(sock: socket.socket) -> bool:
    """It ends, sooner or later; False: not within the time of a test."""
    sock.settimeout(PATIENT_S / 4)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except CLOSED:
        return True


def test_when_all_are_taken_the_longest_silent_one_yields(store: Store) -> None:
    store.start(ConnectionLimits(total=2))
    unit = store.unit("zfy-many")
    first, second = store.link(unit), store.link(unit)
    for link in (first, second):
        store.ask(unit, link)
    other = store.unit("zfy-other")
    store.ask(other, store.link(other))
    assert is_closed(first.sock)
    kept = second.sock
    store.ask(unit, second)
    assert second.sock is kept


def test_a_request_under_way_never_yields(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.start(ConnectionLimits(total=1))
    unit, other = store.unit("zfy-busy"), store.unit("zfy-late")
    link = store.link(unit)
    store.work(link)
    with pytest.raises(CLOSED):
        other.request("GET", "/whoami")
    assert "too many connections" in caplog.text
    store.busy.go_on.set()
    assert link.getresponse().read()
    store.come_in(other)


def test_whoever_says_nothing_after_the_handshake_yields_as_well(store: Store) -> None:
    store.start(ConnectionLimits(total=1))
    silent = store.link(store.unit("zfy-silent"))
    silent.connect()
    store.come_in(store.unit("zfy-other"))
    assert is_closed(silent.sock)


def test_a_header_that_was_begun_is_waited_for_as_long_as_a_body(store: Store) -> None:
    """Not for as long as the next request: it has a thread."""
    store.start(ConnectionLimits(), Timeouts(thread_s=0.01, io_s=0.1, idle_s=600))
    link = store.link(store.unit("zfy-slow"))
    link.connect()
    link.sock.send(b"G")
    assert is_closed(link.sock)


def test_a_unit_has_its_share_and_the_others_have_theirs(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.start(ConnectionLimits(unit=2))
    unit, other = store.unit("zfy-greedy"), store.unit("zfy-other")
    links = [store.link(unit) for _ in range(2)]
    threads = [store.work(link) for link in links]
    for _ in range(3):
        with pytest.raises(CLOSED):
            unit.request("GET", "/whoami")
    store.ask(other, store.link(other))
    said = [record.getMessage() for record in caplog.records if "further ones are closed" in record.getMessage()]
    assert len(said) == 1 and said[0].startswith("zfy-greedy: ")
    store.busy.go_on.set()
    for link, thread in zip(links, threads, strict=True):
        assert link.getresponse().read()
        thread.join(PATIENT_S)
    # Its silent ones yield to it: it may have lost them without our hearing of it.
    store.ask(unit, store.link(unit))
    ended, _, _ = select.select([link.sock for link in links], [], [], PATIENT_S)
    assert len(ended) == 1 and is_closed(ended[0])


class OutOfThreads(IngestServer):
    """The system has no thread for the first connection."""

    failures = 1

    def process_request(self, request: Any, client_address: Any) -> None:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("can't start new thread")
        super().process_request(request, client_address)


def test_a_connection_there_is_no_thread_for_leaves_its_seat(store: Store) -> None:
    store.start(ConnectionLimits(total=1), kind=OutOfThreads)
    unit = store.unit("zfy-unit")
    with pytest.raises(CLOSED):
        unit.request("GET", "/whoami")
    store.ask(unit, store.link(unit))
