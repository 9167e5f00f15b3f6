"""An admin's session: it stands or says why not, messages go out with their MQTT 5 properties, and come in in order."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from firmware_bridge.clock import SystemClock
from recorder.fleet.connection import FleetConnection, json_body
from recorder.fleet.settings import FleetError
from recorder.uplink.faults import MQTT_UNREACHABLE, UplinkFault
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, Outgoing
from tests.firmware_bridge.manual_clock import ManualClock


class Glass:
    """A link one can see through. ``at_start``: what it delivers when it is started."""

    def __init__(self, *at_start: Inbound) -> None:
        self.at_start = at_start
        self.sent: list[Outgoing] = []
        self.closed: list[float] = []
        self.under_way = 0

    def make(self, deliver: Callable[[Inbound], None]) -> Glass:
        self.deliver = deliver
        return self

    def start(self) -> None:
        for item in self.at_start:
            self.deliver(item)

    def publish(self, message: Outgoing) -> None:
        self.sent.append(message)

    def close(self, timeout_s: float) -> None:
        self.closed.append(timeout_s)


def test_what_is_said_carries_its_envelope_and_properties() -> None:
    glass = Glass(Connected())
    with FleetConnection(glass.make, SystemClock(), 5) as connection:
        connection.publish(
            "fleet/v1/u1/down/cmd", {"command": "a.b.c"}, response_topic="r", correlation=b"c", expiry_s=7
        )
        connection.publish("t", {"msg_id": "mine"}, retain=True)
    first, second = glass.sent
    assert (first.response_topic, first.correlation_data, first.expiry_s, first.retain) == ("r", b"c", 7, False)
    body = json.loads(first.payload)
    assert body["command"] == "a.b.c" and body["msg_id"] and body["sent_at"] > 0
    assert json.loads(second.payload)["msg_id"] == "mine" and second.retain
    assert glass.closed, "it says goodbye"


def test_what_the_broker_does_not_confirm_is_said() -> None:
    glass = Glass(Connected())
    with FleetConnection(glass.make, ManualClock(step_us=1_000_000), 5) as connection:
        connection.settle(3)
        glass.under_way = 2
        with pytest.raises(FleetError, match="not confirmed 2 messages within 3 s"):
            connection.settle(3)


def test_messages_come_in_their_order_and_the_wait_ends() -> None:
    clock = SystemClock()
    glass = Glass(Connected(), Message("a", b"{}"), Connected(), Message("b", b"[1]"))
    with FleetConnection(glass.make, clock, 5) as connection:
        until = clock.boottime_us() + 5_000_000
        first, second = connection.next(until), connection.next(until)
        assert first is not None and second is not None
        assert (first.topic, json_body(first)) == ("a", {})
        assert (second.topic, json_body(second)) == ("b", None)
        assert connection.sessions == 2
        assert connection.next(clock.boottime_us()) is None


def test_a_broker_that_cannot_be_reached_is_told_with_its_reason() -> None:
    glass = Glass(Disconnected(UplinkFault(MQTT_UNREACHABLE, "127.0.0.1:1: refused")))
    with pytest.raises(FleetError) as caught, FleetConnection(glass.make, SystemClock(), 0.05):
        pass
    assert "refused" in caught.value.zh and "refused" in caught.value.en
    assert MQTT_UNREACHABLE.zh in caught.value.zh and MQTT_UNREACHABLE.en in caught.value.en
    assert glass.closed == [0]
