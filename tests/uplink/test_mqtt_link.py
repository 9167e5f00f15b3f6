"""The connection against a broker that takes it and says nothing: in the end the session is begun anew, not before."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import Clock
from hw_sim.agency.proxy import FaultProxy
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.faults import MQTT_LOST
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import (
    MAX_PACKET,
    MUTE_LIMIT,
    Connected,
    Disconnected,
    Inbound,
    Message,
    MqttLink,
    MqttOptions,
    Outgoing,
)
from recorder.uplink.tls_socket import use_tls_socket
from tests.integration.wire_parse import Connect, packets
from tests.uplink.broker import Mosquitto
from tests.uplink.pki import UNIT, Pki

CONNACK = b"\x20\x03\x00\x00\x00"


class MuteBroker:
    """Takes connections over TLS and reads CONNECT; answers only those for which ``answers`` has an item."""

    def __init__(self, pki: Pki) -> None:
        self.connects: queue.Queue[Connect] = queue.Queue()
        self.answers: queue.Queue[bytes] = queue.Queue()
        self._context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        self._context.load_cert_chain(pki.server_cert, pki.server_key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                raw, _ = self._listener.accept()
                connection = self._context.wrap_socket(raw, server_side=True)
                self._open.append(connection)
                (first,) = packets(connection.recv(4096))
            except OSError:
                return  # closed
            assert isinstance(first, Connect)
            self.connects.put(first)
            if not self.answers.empty():
                connection.sendall(self.answers.get())
                connection.recv(4096)  # SUBSCRIBE
                connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()


@pytest.fixture
def broker(pki: Pki) -> Iterator[MuteBroker]:
    made = MuteBroker(pki)
    yield made
    made.close()


def test_a_session_that_cannot_be_had_is_begun_anew(broker: MuteBroker, pki: Pki, clock: Clock) -> None:
    inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    options = MqttOptions(
        host="localhost", port=broker.port, keepalive_s=1, connect_timeout_s=2.0, client_id=UNIT, subscribe=("a",)
    )
    link = MqttLink(options, lambda: tls_context(pki.tls), clock, BackoffPolicy(0.01, 0.01), lambda: 0.0, inbound.put)
    link.start()
    try:
        connects = [broker.connects.get(timeout=20) for _ in range(MUTE_LIMIT)]
        assert [connect.clean_start for connect in connects] == [False] * MUTE_LIMIT
        assert connects[0].properties.MaximumPacketSize == MAX_PACKET, "no broker may send what fills the memory"
        broker.answers.put(CONNACK)
        assert broker.connects.get(timeout=20).clean_start
        assert not broker.connects.get(timeout=20).clean_start, "it was answered: the new session is kept"
    finally:
        link.close(10)
    assert not any(isinstance(inbound.get(), Connected) for _ in range(inbound.qsize()))


def test_what_goes_wrong_in_handing_on_a_message_ends_the_connection_and_not_the_thread(
    broker: MuteBroker, pki: Pki, clock: Clock
) -> None:
    """paho 2.2 would end its own network thread in silence and go on saying that it is connected."""
    publish = b"\x30\x06\x00\x01a\x00{}"

    def deliver(item: Inbound) -> None:
        if isinstance(item, Message):
            raise RuntimeError(f"nobody takes {item.topic}")

    options = MqttOptions(
        host="localhost", port=broker.port, keepalive_s=30, connect_timeout_s=2.0, client_id=UNIT, subscribe=("a",)
    )
    link = MqttLink(options, lambda: tls_context(pki.tls), clock, BackoffPolicy(0.01, 0.01), lambda: 0.0, deliver)
    broker.answers.put(CONNACK + publish)
    link.start()
    try:
        broker.connects.get(timeout=20)
        broker.connects.get(timeout=20)
        assert not link.stalled(clock.boottime_us())
    finally:
        link.close(10)


def test_a_line_that_swallows_everything_is_found_and_left(pki: Pki, clock: Clock, tmp_path: Path) -> None:
    """A dead cell with its sockets still up: the ping is not answered, and the next connection works."""
    inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    with Mosquitto(pki, tmp_path / "broker") as mosquitto:
        line = FaultProxy(mosquitto.port, clock)
        options = MqttOptions(
            host="localhost",
            port=line.port,
            keepalive_s=1,
            connect_timeout_s=1.0,
            client_id=UNIT,
            subscribe=("fleet/v1/store/state",),
        )
        link = MqttLink(options, lambda: tls_context(pki.tls), clock, BackoffPolicy(0.1, 0.1), lambda: 0.5, inbound.put)
        link.start()
        try:
            assert isinstance(inbound.get(timeout=20), Connected)
            line.mode("stall")
            lost = inbound.get(timeout=20)
            assert isinstance(lost, Disconnected) and lost.fault.kind is MQTT_LOST
            line.reset()
            line.mode("ok")
            while not isinstance(inbound.get(timeout=20), Connected):
                pass
        finally:
            link.close(10)
            line.close()


def test_what_is_published_is_under_way_until_the_broker_has_it_or_the_connection_is_gone(
    broker: MuteBroker, pki: Pki, clock: Clock, tmp_path: Path
) -> None:
    pause = threading.Event()

    def options(port: int) -> MqttOptions:
        return MqttOptions("localhost", port, 30, 2.0, UNIT, ("a",), session_expiry_s=0)

    def link_to(port: int) -> tuple[MqttLink, queue.SimpleQueue[Inbound]]:
        heard: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        backoff = BackoffPolicy(0.01, 0.01)
        return MqttLink(options(port), lambda: tls_context(pki.tls), clock, backoff, lambda: 0.0, heard.put), heard

    def settled(link: MqttLink) -> bool:
        for _ in range(1000):
            if not link.under_way:
                return True
            pause.wait(0.02)
        return False

    many = 100  # more than may be without their acknowledgement at once
    with Mosquitto(pki, tmp_path / "broker") as mosquitto:
        link, heard = link_to(mosquitto.port)
        for _ in range(many):
            link.publish(Outgoing(f"fleet/v1/{UNIT}/up/status", "{}"))
        assert link.under_way == many, "there is no connection yet"
        link.start()
        try:
            assert isinstance(heard.get(timeout=20), Connected)
            assert settled(link)
        finally:
            link.close(10)
    suback = b"\x90\x04\x00\x01\x00\x01"
    broker.answers.put(CONNACK + suback)
    link, heard = link_to(broker.port)
    link.publish(Outgoing("a", "{}"))
    link.start()
    try:
        assert isinstance(heard.get(timeout=20), Connected)
        assert settled(link), "nobody acknowledged it, and the connection it went into has been closed"
    finally:
        link.close(10)
