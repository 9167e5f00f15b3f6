"""Sessions, wills, births and properties, on every broker: what the unit relies on is there, and only that."""

from __future__ import annotations

import queue
import threading

import pytest

from tests.brokers.party import Party, party, store
from tests.brokers.under_test import BrokerUnderTest, Fleet

OFFLINE, BIRTH = b'{"online": false}', b'{"online": true}'
QUIET_S = 1.0
"""How long nothing must come. It passes also when nothing would ever come: the next message of each test tells."""


def test_what_is_sent_while_a_unit_is_away_waits_for_it(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/down/receipt"
    with party(broker, unit, 14 * 24 * 3600) as first:
        first.subscribe(f"fleet/v1/{unit.unit_id}/down/#")
        assert not first.session_present
    with store(broker, fleet) as agency:
        for number in range(5):
            agency.send(topic, str(number).encode())
    with party(broker, unit, 14 * 24 * 3600) as second:
        assert second.session_present
        assert [second.receive(topic).payload for _ in range(5)] == [str(number).encode() for number in range(5)]


def test_a_session_that_expired_is_gone(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/down/receipt"
    with party(broker, unit, 1) as first:
        first.subscribe(f"fleet/v1/{unit.unit_id}/down/#")
    threading.Event().wait(1.0 + broker.expires_within_s)
    with store(broker, fleet) as agency:
        agency.send(topic, b"too late")
        with party(broker, unit, 1) as second:
            assert not second.session_present
            second.subscribe(f"fleet/v1/{unit.unit_id}/down/#")
            agency.send(topic, b"in time")
            assert second.receive(topic).payload == b"in time"


def test_a_message_past_its_expiry_is_not_delivered(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/down/receipt"
    with party(broker, unit, 600) as first:
        first.subscribe(f"fleet/v1/{unit.unit_id}/down/#")
    with store(broker, fleet) as agency:
        agency.send(topic, b"for a moment", MessageExpiryInterval=1)
        agency.send(topic, b"for an hour", MessageExpiryInterval=3600)
    threading.Event().wait(3.0)
    with party(broker, unit, 600) as second:
        message = second.receive(topic)
        assert message.payload == b"for an hour"
        left: object = getattr(message.properties, "MessageExpiryInterval", None)
        assert isinstance(left, int) and 0 < left <= 3600


def test_a_will_is_delayed_and_a_return_in_time_cancels_it(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/up/status"
    with store(broker, fleet) as agency:
        agency.subscribe("fleet/v1/+/up/#")

        def connection() -> Party:
            made = party(broker, unit, 600)
            made.set_will(topic, OFFLINE, delay_s=3)
            return made

        with connection() as first:
            first.send(topic, BIRTH, retain=True)
            assert agency.receive(topic).payload == BIRTH
            first.vanish()
        with connection() as second:
            with pytest.raises(queue.Empty):
                agency.receive(topic, timeout_s=5.0)
            second.vanish()
        with pytest.raises(queue.Empty):
            agency.receive(topic, timeout_s=QUIET_S)
        assert agency.receive(topic, timeout_s=15.0).payload == OFFLINE


def test_a_goodbye_leaves_no_will(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/up/status"
    with store(broker, fleet) as agency:
        agency.subscribe("fleet/v1/+/up/#")
        made = party(broker, unit)
        made.set_will(topic, b"the will", delay_s=0)
        with made as leaving:
            leaving.send(topic, OFFLINE, retain=True)
        assert agency.receive(topic).payload == OFFLINE
        with pytest.raises(queue.Empty):
            agency.receive(topic, timeout_s=QUIET_S)


def test_a_retained_birth_is_there_for_who_comes_later_and_marked_as_such(
    broker: BrokerUnderTest, fleet: Fleet
) -> None:
    unit = fleet.unit()
    with store(broker, fleet) as agency:
        agency.send("fleet/v1/store/state", BIRTH, retain=True)
    with party(broker, unit) as late:
        late.subscribe("fleet/v1/store/state")
        message = late.receive("fleet/v1/store/state")
        assert message.payload == BIRTH and message.retain


def test_whether_a_wildcard_gets_what_is_retained_is_known(broker: BrokerUnderTest, fleet: Fleet) -> None:
    """docs/brokers.md says which broker does. A unit subscribes to each of its topics by its full name."""
    unit = fleet.unit()
    tree, topic = f"fleet/v1/{unit.unit_id}/down/#", f"fleet/v1/{unit.unit_id}/down/desired"
    with store(broker, fleet) as agency:
        agency.send(topic, b"kept", retain=True)
        with party(broker, unit) as curious:
            curious.subscribe(tree)
            agency.send(f"fleet/v1/{unit.unit_id}/down/receipt", b"live")
            first = curious.raw.get(timeout=10).payload
            assert (first == b"kept") is broker.wildcards_get_what_is_retained
        with party(broker, unit) as named:
            named.subscribe(topic)
            assert named.receive(topic).payload == b"kept"


def test_a_retained_birth_survives_an_orderly_restart(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    with store(broker, fleet) as agency:
        agency.send("fleet/v1/store/state", b'{"online": true, "n": 7}', retain=True)
    port = broker.port
    broker.restart()
    assert broker.port == port
    with party(broker, unit) as late:
        late.subscribe("fleet/v1/store/state")
        assert late.receive("fleet/v1/store/state").payload == b'{"online": true, "n": 7}'


def test_whether_a_delayed_will_is_retained_is_known(broker: BrokerUnderTest, fleet: Fleet) -> None:
    """docs/brokers.md says which broker does: nothing of ours may rest on it."""
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/up/status"
    with store(broker, fleet) as agency:
        agency.subscribe("fleet/v1/+/up/#")
        made = party(broker, unit, 600)
        made.set_will(topic, OFFLINE, delay_s=1)
        with made as dying:
            dying.send(topic, BIRTH, retain=True)
            assert agency.receive(topic).payload == BIRTH
            dying.vanish()
        assert agency.receive(topic).payload == OFFLINE
    with store(broker, fleet) as late:
        late.subscribe(topic)
        kept = late.receive(topic).payload
    assert (kept == OFFLINE) is broker.retains_delayed_wills


def test_what_an_answer_needs_comes_through(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit = fleet.unit()
    down, up = f"fleet/v1/{unit.unit_id}/down/cmd", f"fleet/v1/{unit.unit_id}/up/resp"
    with store(broker, fleet) as agency, party(broker, unit) as answering:
        answering.subscribe(f"fleet/v1/{unit.unit_id}/down/#")
        agency.subscribe("fleet/v1/+/up/#")
        agency.send(
            down,
            b"{}",
            ResponseTopic=up,
            CorrelationData=b"\x00\xff42",
            ContentType="application/json",
            PayloadFormatIndicator=1,
        )
        asked = answering.receive(down).properties
        assert asked is not None
        values = {name: getattr(asked, name, None) for name in ("ResponseTopic", "CorrelationData", "ContentType")}
        assert values == {"ResponseTopic": up, "CorrelationData": b"\x00\xff42", "ContentType": "application/json"}
        answering.send(up, b"done", CorrelationData=b"\x00\xff42")
        answer = agency.receive(up)
        correlation: object = getattr(answer.properties, "CorrelationData", None)
        assert (answer.payload, correlation) == (b"done", b"\x00\xff42")


def test_payloads_up_to_the_limit_pass_and_larger_ones_harm_nobody_else(broker: BrokerUnderTest, fleet: Fleet) -> None:
    unit, other = fleet.unit(), fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/up/announce"
    with store(broker, fleet) as agency:
        agency.subscribe("fleet/v1/+/up/#")
        with party(broker, unit) as fits:
            largest = b"x" * (128 * 1024 - 1)
            fits.send(topic, largest)
            assert agency.receive(topic).payload == largest
        with party(broker, unit) as exceeds:
            exceeds.client.publish(topic, b"y" * (200 * 1024), qos=1)
            assert exceeds.ended.get(timeout=15)
        with party(broker, other) as bystander:
            bystander.send(f"fleet/v1/{other.unit_id}/up/announce", b"still here")
        assert agency.raw.get(timeout=10).payload == b"still here"
