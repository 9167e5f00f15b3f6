"""The broker's access rules, against the real mosquitto: CN is the user, the client id and the only tree one may write."""

from __future__ import annotations

import queue
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.broker import Broker
from tests.hw_sim.agency.mqtt_client import WAIT_S, MqttDouble
from tests.hw_sim.agency.unit_double import UnitDouble, client_context
from tests.support import require_program


@pytest.fixture(scope="module")
def broker(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker"), authority, SystemClock(), require_program("mosquitto")) as made:
        yield made


@pytest.fixture
def alice(authority: Authority, tmp_path: Path) -> UnitDouble:
    return UnitDouble.enrolled(authority, "zfy-alice", tmp_path / "alice")


@pytest.fixture
def mallory(authority: Authority, tmp_path: Path) -> UnitDouble:
    return UnitDouble.enrolled(authority, "zfy-mallory", tmp_path / "mallory")


def test_a_unit_writes_its_own_tree_and_the_store_hears_it(
    broker: Broker, authority: Authority, alice: UnitDouble
) -> None:
    with (
        MqttDouble(broker.port, authority.store_client_dir, "store") as store,
        MqttDouble(broker.port, alice.directory, alice.unit_id) as unit,
    ):
        store.subscribe("fleet/v1/+/up/#")
        assert unit.publish("fleet/v1/zfy-alice/up/announce", {"msg_id": "1"}) == "Success"
        assert store.next("fleet/v1/zfy-alice/up/announce") == {"msg_id": "1"}
        unit.subscribe("fleet/v1/zfy-alice/down/#", "fleet/v1/store/state")
        store.publish("fleet/v1/zfy-alice/down/ack", {"acks": []})
        assert unit.next("fleet/v1/zfy-alice/down/ack") == {"acks": []}
        store.publish("fleet/v1/store/state", {"online": True}, retain=True)
        assert unit.next("fleet/v1/store/state") == {"online": True}


@pytest.mark.parametrize(
    "topic",
    [
        "fleet/v1/zfy-alice/up/announce",
        "fleet/v1/zfy-alice/down/receipt",
        "fleet/v1/zfy-mallory/down/receipt",
        "fleet/v1/store/state",
        "elsewhere",
    ],
)
def test_a_spoofed_publish_is_denied_and_not_delivered(
    broker: Broker, authority: Authority, mallory: UnitDouble, topic: str
) -> None:
    with (
        MqttDouble(broker.port, authority.store_client_dir, "store") as store,
        MqttDouble(broker.port, mallory.directory, mallory.unit_id) as unit,
    ):
        store.subscribe("#")
        assert unit.publish(topic, {"msg_id": "forged"}) == "Not authorized"
        assert unit.publish("fleet/v1/zfy-mallory/up/status", {"msg_id": "last"}) == "Success"
        while (message := store.messages.get(timeout=WAIT_S))[1].get("msg_id") != "last":
            assert message[1].get("msg_id") != "forged"


def test_another_units_tree_is_not_delivered(
    broker: Broker, authority: Authority, alice: UnitDouble, mallory: UnitDouble
) -> None:
    with (
        MqttDouble(broker.port, authority.store_client_dir, "store") as store,
        MqttDouble(broker.port, mallory.directory, mallory.unit_id) as spy,
    ):
        spy.subscribe("fleet/v1/zfy-alice/down/#", "fleet/v1/+/down/#", "#")
        store.publish("fleet/v1/zfy-alice/down/receipt", {"msg_id": "for alice"})
        store.publish("fleet/v1/zfy-mallory/down/ack", {"msg_id": "for mallory"})
        while (message := spy.messages.get(timeout=WAIT_S))[1].get("msg_id") != "for mallory":
            assert message[1].get("msg_id") != "for alice"


def test_a_session_cannot_be_taken_over_under_a_foreign_client_id(
    broker: Broker, authority: Authority, alice: UnitDouble, mallory: UnitDouble
) -> None:
    with MqttDouble(broker.port, alice.directory, alice.unit_id, session_s=600) as unit:
        unit.subscribe("fleet/v1/zfy-alice/down/#")
    with MqttDouble(broker.port, authority.store_client_dir, "store") as store:
        store.publish("fleet/v1/zfy-alice/down/receipt", {"msg_id": "queued"})
    with MqttDouble(broker.port, alice.directory, alice.unit_id, session_s=600) as unit:
        with MqttDouble(broker.port, mallory.directory, alice.unit_id) as thief:
            assert thief.messages.empty()
            assert unit.next("fleet/v1/zfy-alice/down/receipt") == {"msg_id": "queued"}
            assert thief.publish("fleet/v1/zfy-alice/up/status", {"msg_id": "x"}) == "Not authorized"
        assert unit.publish("fleet/v1/zfy-alice/up/status", {"msg_id": "still here"}) == "Success"
        with pytest.raises(queue.Empty):
            unit.ended.get_nowait()


def test_no_certificate_and_a_signing_certificate_are_refused(broker: Broker, alice: UnitDouble) -> None:
    import socket

    naked = client_context(alice.directory, with_certificate=False)
    signing = client_context(alice.directory, with_certificate=False)
    signing.load_cert_chain(alice.directory / "device-cert.pem", alice.directory / "device-key.pem")
    for context in (naked, signing):
        raw = socket.create_connection(("127.0.0.1", broker.port), 5)
        with pytest.raises((ssl.SSLError, OSError)), context.wrap_socket(raw, server_hostname="127.0.0.1") as link:
            link.sendall(b"\x10\x00")
            # TLS 1.3: the refusal of our certificate comes after our side of the handshake is done.
            if not link.recv(1):
                raise ConnectionResetError("closed")


def test_a_revoked_unit_is_refused_after_a_restart(
    broker: Broker, authority: Authority, alice: UnitDouble, tmp_path: Path
) -> None:
    lost = UnitDouble.enrolled(authority, "zfy-lost", tmp_path / "lost")
    with MqttDouble(broker.port, lost.directory, lost.unit_id):
        pass
    authority.revoke("zfy-lost")
    port = broker.port
    broker.restart()
    assert broker.port == port
    with pytest.raises(OSError), MqttDouble(broker.port, lost.directory, lost.unit_id):
        pass
    with MqttDouble(broker.port, alice.directory, alice.unit_id):
        pass


def test_killed_and_started_again_it_has_the_same_port_and_its_retained_messages(
    broker: Broker, authority: Authority, alice: UnitDouble
) -> None:
    with MqttDouble(broker.port, authority.store_client_dir, "store") as store:
        store.publish("fleet/v1/store/state", {"online": True, "n": 7}, retain=True)
    broker.restart()
    port = broker.port
    broker.kill()
    broker.start()
    assert broker.port == port
    with MqttDouble(broker.port, alice.directory, alice.unit_id) as unit:
        unit.subscribe("fleet/v1/store/state")
        assert unit.next("fleet/v1/store/state")["n"] == 7


def test_the_desk_commands_units_and_hears_their_answers_and_no_unit_commands_another(
    broker: Broker, authority: Authority, alice: UnitDouble, mallory: UnitDouble
) -> None:
    with (
        MqttDouble(broker.port, authority.desk_client_dir, "desk") as desk,
        MqttDouble(broker.port, alice.directory, alice.unit_id) as unit,
        MqttDouble(broker.port, mallory.directory, mallory.unit_id) as other,
    ):
        unit.subscribe("fleet/v1/zfy-alice/down/#")
        desk.subscribe("fleet/v1/+/up/resp")
        assert "uthorized" in other.publish("fleet/v1/zfy-alice/down/cmd", {"command": "mallory's"})
        assert "uthorized" in other.publish("fleet/v1/zfy-alice/up/resp", {"in_reply_to": "1"})
        assert desk.publish("fleet/v1/zfy-alice/down/cmd", {"command": "a.b.c"}) == "Success"
        assert unit.next("fleet/v1/zfy-alice/down/cmd") == {"command": "a.b.c"}
        assert unit.publish("fleet/v1/zfy-alice/up/resp", {"in_reply_to": "2"}) == "Success"
        assert desk.next("fleet/v1/zfy-alice/up/resp") == {"in_reply_to": "2"}
