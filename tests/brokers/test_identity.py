"""Certificate name = user = client id = topic, on every broker: who has no certificate, or another's name, gets nothing."""

from __future__ import annotations

import queue
import socket
import ssl
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from tests.brokers.party import Party, party, store
from tests.brokers.under_test import BrokerUnderTest, Fleet
from tests.hw_sim.agency.unit_double import UnitDouble, client_context

LAST = b'{"msg_id": "last"}'
FORGED = b'{"msg_id": "forged"}'


def test_no_certificate_a_strangers_and_a_signing_certificate_are_refused(
    broker: BrokerUnderTest, fleet: Fleet, tmp_path: Path, clock: SystemClock
) -> None:
    unit = fleet.unit()
    naked = client_context(unit.directory, with_certificate=False)
    signing = client_context(unit.directory, with_certificate=False)
    signing.load_cert_chain(unit.directory / "device-cert.pem", unit.directory / "device-key.pem")
    stranger = UnitDouble.enrolled(
        Authority(tmp_path / "rogue", clock, "Rogue CA"), unit.unit_id, tmp_path / "stranger"
    )
    rogue = client_context(unit.directory, with_certificate=False)
    rogue.load_cert_chain(stranger.directory / "client-cert.pem", stranger.directory / "client-key.pem")
    for context in (naked, signing, rogue):
        raw = socket.create_connection(("127.0.0.1", broker.port), 5)
        with pytest.raises((ssl.SSLError, OSError)), context.wrap_socket(raw, server_hostname="127.0.0.1") as link:
            link.sendall(b"\x10\x00")
            # TLS 1.3: the refusal of our certificate comes after our side of the handshake is done.
            if not link.recv(1):
                raise ConnectionResetError("closed")
    with party(broker, unit) as accepted:
        assert accepted.reason == "Success"


@pytest.mark.parametrize("topic", ["{other}/up/announce", "{other}/down/receipt", "{own}/down/receipt", "store/state"])
def test_a_spoofed_publication_is_denied_and_reaches_nobody(broker: BrokerUnderTest, fleet: Fleet, topic: str) -> None:
    other, mallory = fleet.unit(), fleet.unit()
    spoofed = "fleet/v1/" + topic.format(other=other.unit_id, own=mallory.unit_id)
    with store(broker, fleet) as hears:
        hears.subscribe("fleet/v1/#")
        with party(broker, mallory) as unit:
            assert unit.is_denied(spoofed, FORGED)
        with party(broker, mallory) as unit:
            unit.send(f"fleet/v1/{mallory.unit_id}/up/status", LAST)
        while (message := hears.raw.get(timeout=10)).payload != LAST:
            assert message.payload != FORGED


@pytest.mark.parametrize("filter_", ["fleet/v1/{other}/down/#", "fleet/v1/+/down/#", "fleet/v1/+/down/receipt", "#"])
def test_a_foreign_subscription_yields_nothing(broker: BrokerUnderTest, fleet: Fleet, filter_: str) -> None:
    other, mallory = fleet.unit(), fleet.unit()
    with store(broker, fleet) as agency, party(broker, mallory) as spy:
        spy.ask_for(filter_.format(other=other.unit_id))
        if not spy.ended.empty():
            return  # thrown out: what was asked for can never arrive
        spy.ask_for(f"fleet/v1/{mallory.unit_id}/down/#")
        agency.send(f"fleet/v1/{other.unit_id}/down/receipt", b"for the other")
        agency.send(f"fleet/v1/{mallory.unit_id}/down/receipt", b"for mallory")
        try:
            message = spy.raw.get(timeout=10)
            while message.topic == "fleet/v1/store/state":  # retained, and for every unit to read
                message = spy.raw.get(timeout=10)
        except queue.Empty:
            assert not spy.ended.empty(), "still connected, and its own message did not come"
            return
        assert message.payload == b"for mallory"


def test_a_client_id_cannot_be_taken_over(broker: BrokerUnderTest, fleet: Fleet) -> None:
    """The thief has a valid certificate: its own."""
    victim, thief = fleet.unit(), fleet.unit()
    own = f"fleet/v1/{victim.unit_id}/down/receipt"
    with party(broker, victim, 600) as unit:
        unit.subscribe(f"fleet/v1/{victim.unit_id}/down/#")
    with store(broker, fleet) as agency:
        agency.send(own, b"queued for the victim")
    with party(broker, victim, 600) as unit:
        attempt = Party(broker.port, thief.directory, victim.unit_id, 600)
        try:
            with attempt:
                # A broker may make it the client its certificate says. Then it is itself, and nothing of the victim's.
                assert not attempt.session_present and attempt.raw.empty()
                assert attempt.is_denied(f"fleet/v1/{victim.unit_id}/up/status")
        except ConnectionError:
            pass  # or it refuses the connection
        assert unit.receive(own).payload == b"queued for the victim"
        unit.send(f"fleet/v1/{victim.unit_id}/up/status", b"{}")
        assert unit.ended.empty(), "thrown off by the thief"


def test_the_desk_may_assign_and_nothing_else(broker: BrokerUnderTest, fleet: Fleet) -> None:
    subject = fleet.unit()
    with party(broker, subject) as unit:
        unit.subscribe(f"fleet/v1/{subject.unit_id}/down/#")
        with Party(broker.port, fleet.authority.desk_client_dir, "desk") as desk:
            desk.subscribe(f"fleet/v1/{subject.unit_id}/up/assigned")
            desk.send(f"fleet/v1/{subject.unit_id}/down/assign", b"an assignment")
            assert unit.receive(f"fleet/v1/{subject.unit_id}/down/assign").payload == b"an assignment"
            unit.send(f"fleet/v1/{subject.unit_id}/up/assigned", b"an answer")
            assert desk.receive(f"fleet/v1/{subject.unit_id}/up/assigned").payload == b"an answer"
            assert desk.is_denied(f"fleet/v1/{subject.unit_id}/down/receipt", FORGED)
