"""A client of the broker that can do what a well-behaved one does not: leave without a word, forge, listen elsewhere."""

from __future__ import annotations

import queue
import socket
import threading
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.brokers.under_test import BrokerUnderTest, Fleet
from tests.hw_sim.agency.mqtt_client import WAIT_S, MqttDouble
from tests.hw_sim.agency.unit_double import UnitDouble


class Party(MqttDouble):
    """``raw``: every message as paho has it, with properties and retain flag."""

    def __init__(self, port: int, credentials: Path, client_id: str, session_s: int = 0) -> None:
        super().__init__(port, credentials, client_id, session_s)
        self.raw: queue.Queue[MQTTMessage] = queue.Queue()

    def set_will(self, topic: str, payload: bytes, delay_s: int) -> None:
        """Before it is entered."""
        properties = properties_of(PacketTypes.WILLMESSAGE, WillDelayInterval=delay_s)
        self.client.will_set(topic, payload, qos=1, retain=True, properties=properties)

    def send(self, topic: str, payload: bytes, retain: bool = False, **properties: Any) -> None:
        """Publish with MQTT 5 properties; returns when it is acknowledged."""
        made = properties_of(PacketTypes.PUBLISH, **properties)
        self.client.publish(topic, payload, qos=1, retain=retain, properties=made)
        assert self.acknowledged.get(timeout=WAIT_S) in ("Success", "No matching subscribers")

    def receive(self, topic: str, timeout_s: float = WAIT_S) -> MQTTMessage:
        """The next message on ``topic``; others are passed over. queue.Empty when none comes."""
        while True:
            message = self.raw.get(timeout=timeout_s)
            if message.topic == topic:
                return message

    def ask_for(self, filter_: str) -> None:
        """Subscribe, whatever the broker says to it: some refuse, some grant and deliver nothing, some throw one out."""
        self.client.subscribe(filter_, 1)
        pause = threading.Event()
        for _ in range(round(WAIT_S / 0.02)):
            if not self.subscribed.empty():
                self.subscribed.get_nowait()
                return
            if not self.ended.empty():
                return
            pause.wait(0.02)
        raise AssertionError("neither granted nor refused nor disconnected")

    def vanish(self) -> None:
        """The connection breaks, as it does in a tunnel: the broker hears no goodbye."""
        self.client.loop_stop()
        sock: Any = self.client.socket()
        sock.shutdown(socket.SHUT_RDWR)

    def is_denied(self, topic: str, payload: bytes = b"{}") -> bool:
        """A broker refuses a publication in its own way: a reason in the PUBACK, or the end of the connection."""
        while not self.ended.empty():
            self.ended.get_nowait()
        self.client.publish(topic, payload, qos=1)
        pause = threading.Event()
        for _ in range(round(WAIT_S / 0.02)):
            if not self.acknowledged.empty():
                return self.acknowledged.get_nowait() == "Not authorized"
            if not self.ended.empty():
                return True
            pause.wait(0.02)
        raise AssertionError("neither acknowledged nor disconnected")

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.raw.put(message)


def store(broker: BrokerUnderTest, fleet: Fleet, session_s: int = 0) -> Party:
    """The store's user."""
    return Party(broker.port, fleet.authority.store_client_dir, "store", session_s)


def party(broker: BrokerUnderTest, unit: UnitDouble, session_s: int = 0) -> Party:
    """A unit, with its own certificate and client id."""
    return Party(broker.port, unit.directory, unit.unit_id, session_s)


def properties_of(packet: int, **values: Any) -> Any:
    make: Any = Properties
    made = make(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made
