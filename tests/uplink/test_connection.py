"""The socket below the client: its options, its marks on the wire, and that no wait is without an end."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest

from firmware_bridge.clock import SystemClock
from recorder.uplink.connection import SEND_BUFFER, AddressInfo, Connection, ConnectionOptions, set_options
from recorder.uplink.faults import LinkFault
from recorder.uplink.http import StoreClient, tls_context
from recorder.uplink.tls_socket import use_tls_socket
from tests.uplink.conftest import QUICK
from tests.uplink.fake_store import FakeStore
from tests.uplink.pki import Pki

CS1 = 8
IP_PKTOPTIONS = 9  # ip(7): what the kernel remembers of the packets of a stream; Python has no name for it
IP_RECVTOS = 13


def test_the_options_are_those_asked_for() -> None:
    options = ConnectionOptions(connect_s=1.0, io_s=7.0, dscp=CS1)
    for family in (socket.AF_INET, socket.AF_INET6):
        with socket.socket(family, socket.SOCK_STREAM) as raw:
            set_options(raw, options)
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 7000
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) == 2 * SEND_BUFFER  # the kernel's bookkeeping
            if family == socket.AF_INET:
                assert raw.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == CS1 << 2
            else:
                assert raw.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == CS1 << 2


@pytest.mark.parametrize("dscp", [0, CS1, 63])
def test_the_packets_that_arrive_carry_the_mark(dscp: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setsockopt(socket.IPPROTO_IP, IP_RECVTOS, 1)  # inherited by what it accepts
        with socket.socket() as client:
            set_options(client, ConnectionOptions(1.0, 1.0, dscp=dscp))
            client.connect(server.getsockname())
            accepted, _ = server.accept()
            with accepted:
                control = accepted.getsockopt(socket.IPPROTO_IP, IP_PKTOPTIONS, 64)
    assert received_tos(control) == dscp << 2


def received_tos(control: bytes) -> int:
    """The IP_TOS message among the control messages (cmsghdr: size_t, int, int)."""
    head = struct.Struct("@Nii")
    while control:
        length, level, kind = head.unpack_from(control)
        if (level, kind) == (socket.IPPROTO_IP, socket.IP_TOS):
            return control[head.size]
        control = control[(length + 7) & ~7 :]
    raise AssertionError("the kernel told of no TOS")


class Peer:
    """A TLS server that hands each connection to ``behave``."""

    def __init__(self, pki: Pki) -> None:
        self._context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._context.load_cert_chain(pki.server_cert, pki.server_key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.dribble_s: float | None = None
        self.connections = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return  # closed
            self.connections += 1
            with contextlib.suppress(OSError), self._context.wrap_socket(raw, server_side=True) as link:
                while link.recv(65536):
                    for piece in self._pieces():
                        link.sendall(piece)
                        if self.stop.wait(self.dribble_s or 0):
                            return

    def _pieces(self) -> Iterator[bytes]:
        if self.dribble_s is None:
            yield self.answer
        else:
            yield from (self.answer[n : n + 1] for n in range(len(self.answer)))

    def close(self) -> None:
        self.stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)


@pytest.fixture
def peer(pki: Pki) -> Iterator[Peer]:
    made = Peer(pki)
    yield made
    made.close()


class ShiftedClock(SystemClock):
    ahead_us = 0

    def boottime_us(self) -> int:
        return super().boottime_us() + self.ahead_us


def url(peer: Peer) -> str:
    return f"https://127.0.0.1:{peer.port}"


def test_an_answer_given_byte_by_byte_has_an_end(peer: Peer, pki: Pki) -> None:
    """Each byte comes within the I/O time-out; the whole of it does not come."""
    peer.dribble_s = 0.05
    options = dataclasses.replace(QUICK, answer_s=0.4)
    client = StoreClient(url(peer), pki.tls, options, SystemClock())
    with pytest.raises(LinkFault) as caught:
        client.request("GET", "/x", {})
    assert caught.value.kind.code == "store-timeout"
    client.close()


def test_an_answer_that_closes_the_connection_is_read_whole(peer: Peer, pki: Pki) -> None:
    body = b"x" * 500_000
    peer.answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 500000\r\n\r\n" + body
    client = StoreClient(url(peer), pki.tls, QUICK, SystemClock())
    assert client.request("GET", "/x", {}).body == body
    client.close()


def test_a_connection_unused_for_long_is_not_trusted(peer: Peer, pki: Pki) -> None:
    clock = ShiftedClock()
    client = StoreClient(url(peer), pki.tls, dataclasses.replace(QUICK, idle_s=60.0), clock)
    for _ in range(2):
        client.request("GET", "/x", {})
    clock.ahead_us = 59_000_000
    client.request("GET", "/x", {})
    assert peer.connections == 1
    clock.ahead_us = 120_000_000
    client.request("GET", "/x", {})
    assert peer.connections == 2
    client.close()


def test_the_time_to_connect_is_for_all_addresses_together(pki: Pki) -> None:
    """Three addresses that never answer (a full backlog) take as long as one."""
    clock = ShiftedClock()
    with contextlib.ExitStack() as stack:
        addresses: list[AddressInfo] = []
        for _ in range(3):
            deaf = stack.enter_context(socket.socket())
            deaf.bind(("127.0.0.1", 0))
            deaf.listen(0)
            for _ in range(2):  # one in the backlog and one too many: what comes now gets no answer
                filler = stack.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            addresses.append((socket.AF_INET, socket.SOCK_STREAM, 0, "", deaf.getsockname()))
        options = ConnectionOptions(connect_s=0.3, io_s=1.0)
        asked: list[str] = []

        def resolver(host: str, _port: int) -> list[AddressInfo]:
            asked.append(host)
            return addresses

        connection = Connection("store.test", 443, tls_context(pki.tls), options, clock, resolver)
        began_us = clock.boottime_us()
        with pytest.raises(TimeoutError):
            connection.connect()
        assert clock.boottime_us() - began_us < 3 * 300_000
    assert asked == ["store.test"]


def test_the_next_address_is_tried_when_one_refuses(store: FakeStore, pki: Pki) -> None:
    with socket.socket() as gone:
        gone.bind(("127.0.0.1", 0))
        dead = gone.getsockname()

    def resolver(_host: str, port: int) -> list[AddressInfo]:
        family = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
        return [(*family, dead), (*family, ("127.0.0.1", port))]

    client = StoreClient(f"https://localhost:{store.port}", pki.tls, QUICK, SystemClock(), resolver=resolver)
    assert client.request("GET", "/journals/none", {}).status == 404
    assert client.peer == "127.0.0.1"
    client.close()
