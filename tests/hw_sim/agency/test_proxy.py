"""The faulty line itself, between a plain client and a plain echo server."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import SystemClock
from hw_sim.agency.proxy import PIECE, FaultProxy, share_of


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while data := self.request.recv(65536):
                self.request.sendall(data)
        except ConnectionError:
            return  # the proxy reset us: that is what it is for


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with EchoServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        made = FaultProxy(int(server.server_address[1]), SystemClock())
        yield made
        made.close()
        server.shutdown()


def connect(proxy: FaultProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5)


def exchange(link: socket.socket, data: bytes) -> bytes:
    writer = threading.Thread(target=link.sendall, args=(data,))
    writer.start()
    got = bytearray()
    while len(got) < len(data):
        piece = link.recv(65536)
        if not piece:
            break
        got += piece
    writer.join(5)
    return bytes(got)


def test_bytes_go_through_unchanged_in_both_directions(proxy: FaultProxy) -> None:
    data = bytes(range(256)) * 20_000
    with connect(proxy) as link:
        assert exchange(link, data) == data
        link.shutdown(socket.SHUT_WR)
        assert link.recv(1) == b""
    assert proxy.bytes_up == len(data)


def test_no_network_refuses_and_resets_and_comes_back_on_the_same_port(proxy: FaultProxy) -> None:
    with connect(proxy) as link:
        assert exchange(link, b"x") == b"x"
        proxy.mode("refuse")
        with pytest.raises(ConnectionError):
            link.recv(1)
        with pytest.raises(ConnectionError):
            connect(proxy).close()
        proxy.mode("ok")
        with connect(proxy) as again:
            assert exchange(again, b"y") == b"y"


def test_a_stalled_line_moves_nothing_and_goes_on_afterwards(proxy: FaultProxy) -> None:
    with connect(proxy) as link:
        assert exchange(link, b"x") == b"x"
        proxy.mode("stall")
        assert exchange_timeout(link, b"late")
        with connect(proxy) as second:
            assert exchange_timeout(second, b"late")
            proxy.mode("ok")
            link.settimeout(5)
            second.settimeout(5)
            assert link.recv(4) == b"late"
            assert second.recv(4) == b"late"


def exchange_timeout(link: socket.socket, data: bytes) -> bool:
    link.sendall(data)
    link.settimeout(0.2)
    try:
        link.recv(1)
    except TimeoutError:
        return True
    return False


def test_new_connections_are_led_elsewhere_and_back(proxy: FaultProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, connect(proxy) as old:
        assert exchange(old, b"x") == b"x"
        proxy.lead_to(int(other.getsockname()[1]))
        with connect(proxy) as led:
            taken, _ = other.accept()
            with taken:
                taken.sendall(b"not the echo")
                assert led.recv(64) == b"not the echo"
        assert exchange(old, b"y") == b"y"
        proxy.lead_to(None)
        with connect(proxy) as again:
            assert exchange(again, b"z") == b"z"


def test_reset_breaks_what_is_open_and_nothing_later(proxy: FaultProxy) -> None:
    with connect(proxy) as link:
        assert exchange(link, b"x") == b"x"
        proxy.reset()
        with pytest.raises(ConnectionError):
            link.recv(1)
    with connect(proxy) as link:
        assert exchange(link, b"y") == b"y"


def test_a_line_can_break_every_so_many_bytes(proxy: FaultProxy) -> None:
    proxy.cut_after(100_000)
    with connect(proxy) as link, pytest.raises(ConnectionError):
        got = exchange(link, bytes(99_000))
        assert len(got) == 99_000
        link.sendall(bytes(2_000))
        link.recv(1)
        link.recv(4000)
        link.recv(1)
    proxy.cut_after(None)
    assert proxy.resets == 1


def test_a_slow_line_keeps_its_rate(proxy: FaultProxy) -> None:
    clock = SystemClock()
    proxy.slow(400_000)
    with connect(proxy) as link:
        started = clock.boottime_us()
        assert len(exchange(link, bytes(100_000))) == 100_000  # there and back: 200 000 bytes
        seconds = (clock.boottime_us() - started) / 1e6
    assert 0.3 <= seconds <= 3.0


@given(st.integers(-(10**6), 10**6), st.integers(0, 400))
def test_a_slowed_line_is_shared_in_small_pieces(budget: int, asking: int) -> None:
    share = share_of(budget, asking)
    if budget <= 0:
        assert share <= 0, "what is owed is waited for"
    else:
        assert min(budget, PIECE) <= share <= budget
        assert share * asking <= max(budget, PIECE * asking)


def test_a_mishap_strikes_each_connection_at_its_byte_and_as_often_as_asked(proxy: FaultProxy) -> None:
    proxy.mishap("reset", 50_000, times=2)
    for _ in range(2):
        with connect(proxy) as link, pytest.raises(ConnectionError):
            assert exchange(link, bytes(49_999)) == bytes(49_999)
            link.sendall(b"x")
            link.recv(1)
    with connect(proxy) as link:
        assert exchange(link, bytes(200_000)) == bytes(200_000)
    assert proxy.strikes == 2


def test_a_stalled_connection_stays_open_for_good_and_the_next_one_works(proxy: FaultProxy) -> None:
    proxy.mishap("stall", 10, times=1)
    with connect(proxy) as link:
        assert exchange_timeout(link, bytes(10))
        with connect(proxy) as second:
            assert exchange(second, bytes(100_000)) == bytes(100_000)
        assert exchange_timeout(link, b"more")


def test_half_open_is_what_was_open_and_nothing_later(proxy: FaultProxy) -> None:
    with connect(proxy) as link:
        assert exchange(link, b"x") == b"x"
        proxy.strand()
        assert exchange_timeout(link, b"y")
        with connect(proxy) as second:
            assert exchange(second, b"z") == b"z"


def test_one_bit_is_flipped_once(proxy: FaultProxy) -> None:
    proxy.mishap("flip", 1000, times=1)
    data = bytes(5000)
    with connect(proxy) as link:
        got = exchange(link, data)
        assert len(got) == len(data)
        assert sum(byte.bit_count() for byte in got) == 1
        assert exchange(link, data) == data


def test_an_answer_is_lost_after_all_has_arrived(proxy: FaultProxy) -> None:
    proxy.mishap("lose-answer", 6, times=1)
    with connect(proxy) as link:
        assert exchange(link, b"hello") == b"hello"
        with pytest.raises(ConnectionError):
            link.sendall(b"!")
            link.recv(1)
    assert proxy.bytes_up == 6
