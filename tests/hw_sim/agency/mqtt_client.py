"""A raw MQTT client for tests: paho on its own thread, everything that comes in goes to queues."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from tests.hw_sim.agency.unit_double import client_context

WAIT_S = 30.0
"""For what is sure to come: a broker of Erlang that was just killed, on two cores with other work, took more than ten."""


class MqttDouble:
    """Connected on entry. ``connected`` holds (reason code name, session present), ``ended`` reasons of disconnection."""

    def __init__(self, port: int, credentials: Path, client_id: str, session_s: int = 0) -> None:
        self.messages: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.connected: queue.Queue[tuple[str, bool]] = queue.Queue()
        self.ended: queue.Queue[str] = queue.Queue()
        self.acknowledged: queue.Queue[str] = queue.Queue()
        self.subscribed: queue.Queue[list[str]] = queue.Queue()
        self._port = port
        self._session_s = session_s
        self.reason = ""
        self.session_present = False
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
        self.client.tls_set_context(client_context(credentials))
        self.client.on_message = self._on_message
        self.client.on_connect = lambda _c, _d, flags, code, _p: self.connected.put((str(code), flags.session_present))
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = lambda _c, _d, _m, code, _p: self.acknowledged.put(str(code))
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.subscribed.put([str(code) for code in codes])

    def __enter__(self) -> Self:
        make: Any = Properties
        properties = make(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._session_s
        try:
            self.client.connect("127.0.0.1", self._port, clean_start=False, properties=properties)
            self.client.loop_start()
            self.reason, self.session_present = self.connected.get(timeout=WAIT_S)
            if self.reason != "Success":
                raise ConnectionError(self.reason)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        sock = self.client.socket()
        if sock is not None:
            sock.close()
        # paho closes the pair of sockets that wakes its thread when it is collected: not later, in a cycle with ourselves.
        client = self.client
        client.on_message = client.on_connect = client.on_disconnect = client.on_publish = client.on_subscribe = None

    def subscribe(self, *topics: str) -> None:
        self.client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        self.subscribed.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: dict[str, Any] | bytes, retain: bool = False) -> str:
        """The broker's reason in words."""
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.client.publish(topic, data, qos=1, retain=retain)
        reason = self.acknowledged.get(timeout=WAIT_S)
        return "Success" if reason == "No matching subscribers" else reason

    def next(self, topic: str) -> dict[str, Any]:
        """The next message on ``topic``; others are passed over. queue.Empty when none comes."""
        while True:
            found, payload = self.messages.get(timeout=WAIT_S)
            if found == topic:
                return payload

    def _on_disconnect(self, _client: Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        self.ended.put(str(code))
        self.connected.put((f"ended: {code}", False))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self.messages.put((message.topic, json.loads(message.payload)))
