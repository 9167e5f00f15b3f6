"""The MQTT 5 connection: one thread that owns the paho client, builds a new one after every failure, and never publishes
or decides anything by itself.

paho facts this file is built around (measured, 2.2.0): an exception in ``on_message`` kills paho's own network thread
while ``is_connected()`` stays true; ``publish`` from another thread writes to the socket from that thread; its queue is
in memory, so what must not be lost is in our outbox. Hence: we call ``loop`` on a thread of ours, callbacks only enqueue,
publishing happens on that thread, and a client that failed once is thrown away.
"""

from __future__ import annotations

import logging
import queue
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.faults import (
    MQTT_CREDENTIALS,
    MQTT_LOST,
    MQTT_REFUSED,
    MQTT_UNREACHABLE,
    UplinkFault,
)

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

SESSION_EXPIRY_S = 14 * 24 * 3600
WILL_DELAY_S = 30
"""A drop of a few seconds on a moving vehicle is no news: back within this time, the will is never published."""
RECEIVE_MAXIMUM = 20
MAX_PACKET = 128 << 10
"""Maximum Packet Size (MQTT 5 §3.1.2.11.4): the largest message for a unit, a desired configuration, is 48 KiB of JWS."""
CONTENT_TYPE = "application/json"
LOOP_S = 0.2
MUTE_LIMIT = 3
"""So often in a row the broker may take a connection and not answer CONNECT for half the keep-alive. Then the session
itself is taken to be beyond repair and a new one is begun: RabbitMQ 4.0, killed half a second after it made the queue of a
session, never finds a leader for it again. What waited in the old one is repeated, fetched or asked for by its owner."""

log = logging.getLogger("recorder.uplink")


@dataclass(frozen=True, slots=True)
class Connected:
    """Subscribed and ready."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    fault: UplinkFault


@dataclass(frozen=True, slots=True)
class MessageProperties:
    """MQTT 5 properties (§3.3.2.3) of an inbound PUBLISH; None: not there. ``expiry_s``: what is left of the message
    expiry interval, in seconds. ``retained``: it was there before we subscribed."""

    response_topic: str | None = None
    correlation_data: bytes | None = None
    expiry_s: int | None = None
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    topic: str
    payload: bytes
    properties: MessageProperties = MessageProperties()


Inbound: TypeAlias = Connected | Disconnected | Message


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``correlation_data``, ``response_topic``: MQTT 5 properties of those names. ``expiry_s``: the broker forgets it then,
    if nobody fetched it; None: never."""

    topic: str
    payload: str
    retain: bool = False
    correlation_data: bytes | None = None
    response_topic: str | None = None
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """The retained last will: published ``delay_s`` after the connection broke, unless we are back by then.

    ``payload`` is called for every connection, on the link's thread: a will with the ``msg_id`` of an earlier one would
    be dropped as a repeat by whoever reads it."""

    topic: str
    payload: Callable[[], str]
    delay_s: int = WILL_DELAY_S


@dataclass(frozen=True, slots=True)
class MqttOptions:
    """``client_id`` is the name in the certificate: brokers insist. ``session_expiry_s`` 0: a clean session, of which the
    broker keeps nothing."""

    host: str
    port: int
    keepalive_s: int
    connect_timeout_s: float
    client_id: str
    subscribe: tuple[str, ...]
    will: Will | None = None
    session_expiry_s: int = SESSION_EXPIRY_S


class MqttLink:
    """``deliver`` is called on the link's thread and must only enqueue. When it raises for a message, the connection is
    given up before the message is acknowledged: the broker brings it again."""

    def __init__(
        self,
        options: MqttOptions,
        tls: Callable[[], ssl.SSLContext],
        clock: Clock,
        backoff: BackoffPolicy,
        fraction: Callable[[], float],
        deliver: Callable[[Inbound], None],
    ) -> None:
        self._options = options
        self._tls = tls
        self._clock = clock
        self._backoff = backoff
        self._fraction = fraction
        self._deliver = deliver
        self._out: queue.SimpleQueue[Outgoing] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._subscribe_again = threading.Event()
        self._heartbeat_us = clock.boottime_us()
        self._counting = threading.Lock()
        self._handed = self._settled = self._in_flight = 0
        self._failures = 0
        self._mute = 0
        self._answered = False
        self._lost: UplinkFault | None = None
        self.connected = False
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def publish(self, message: Outgoing) -> None:
        """From any thread. Not durable: what must arrive is repeated by its owner."""
        with self._counting:
            self._handed += 1
        self._out.put(message)

    @property
    def under_way(self) -> int:
        """Published here, and neither acknowledged by the broker nor lost with its connection. From any thread."""
        return self._handed - self._settled

    def fetch_retained(self) -> None:
        """From any thread: subscribe anew, so that the broker sends what it retains (MQTT 5 §3.8.3.1, Retain Handling 0).
        Answered by another ``Connected``. Without a connection the next one does the same."""
        self._subscribe_again.set()

    def close(self, timeout_s: float) -> None:
        """Send what is queued, say goodbye, end the thread; gives up after ``timeout_s``."""
        self._stop.set()
        self._thread.join(timeout_s)

    def stalled(self, now_us: int) -> bool:
        """The thread ended or hangs where no time-out reaches it (a name server that swallows questions, say)."""
        if not self._thread.is_alive():
            return not self._stop.is_set()
        return now_us - self._heartbeat_us > round((2 * self._options.connect_timeout_s + 10) * 1e6)

    def _beat(self) -> None:
        self._heartbeat_us = self._clock.boottime_us()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._beat()
            self._lost, self._answered = None, False
            try:
                self._session()
                fault = self._lost or UplinkFault(MQTT_LOST)
            except UplinkFault as raised:
                fault = raised
            except OSError as error:
                fault = UplinkFault(MQTT_UNREACHABLE, f"{self._options.host}:{self._options.port}: {error}")
            except Exception as error:
                log.exception("mqtt.internal")
                fault = UplinkFault(MQTT_LOST, f"{type(error).__name__}: {error}")
            self.connected = False
            if self._stop.is_set():
                return
            self._failures += 1
            self._deliver(Disconnected(fault))
            pause = self._backoff.delay_s(self._failures, self._fraction())
            deadline = self._clock.boottime_us() + round(pause * 1e6)
            while (left := deadline - self._clock.boottime_us()) > 0 and not self._stop.is_set():
                self._beat()
                self._stop.wait(min(left / 1e6, 1.0))

    def _session(self) -> None:
        """One connection from CONNECT to its end."""
        options = self._options
        client = self._client()
        try:
            properties = _properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = options.session_expiry_s
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = MAX_PACKET
            clean = options.session_expiry_s == 0 or self._mute >= MUTE_LIMIT
            client.connect(options.host, options.port, options.keepalive_s, clean_start=clean, properties=properties)
            opened_us = self._clock.boottime_us()
            while client.loop(LOOP_S) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._beat()
                if self.connected:
                    self._flush(client)
                    if self._subscribe_again.is_set():
                        self._subscribe(client)
                if self._stop.is_set():
                    self._goodbye(client)
                    return
            patient = self._clock.boottime_us() - opened_us >= options.keepalive_s * 500_000
            self._mute = self._mute + 1 if patient and not self._answered else 0
        finally:
            _discard(client)
            self._settled, self._in_flight = self._settled + self._in_flight, 0

    def _client(self) -> Client:
        options = self._options
        client = Client(CallbackAPIVersion.VERSION2, client_id=options.client_id, protocol=MQTTv5)
        client.connect_timeout = options.connect_timeout_s
        try:
            client.tls_set_context(self._tls())
        except UplinkFault as fault:
            raise UplinkFault(MQTT_CREDENTIALS, fault.detail, subject=fault.subject) from fault
        if options.will is not None:
            properties = _content(PacketTypes.WILLMESSAGE)
            properties.WillDelayInterval = options.will.delay_s
            client.will_set(options.will.topic, options.will.payload(), qos=1, retain=True, properties=properties)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def _flush(self, client: Client) -> None:
        while True:
            try:
                message = self._out.get_nowait()
            except queue.Empty:
                return
            self._in_flight += 1
            properties = _content(PacketTypes.PUBLISH)
            if message.correlation_data is not None:
                properties.CorrelationData = message.correlation_data
            if message.response_topic is not None:
                properties.ResponseTopic = message.response_topic
            if message.expiry_s is not None:
                properties.MessageExpiryInterval = message.expiry_s
            client.publish(message.topic, message.payload, qos=1, retain=message.retain, properties=properties)

    def _goodbye(self, client: Client) -> None:
        """Flush, then DISCONNECT: the broker drops the will, so the last status must have said offline itself."""
        if not self.connected:
            return
        self._flush(client)
        deadline = self._clock.boottime_us() + 1_000_000
        while client.want_write() and self._clock.boottime_us() < deadline:
            if client.loop(0.05) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
        client.disconnect()
        client.loop(0.05)

    def _subscribe(self, client: Client) -> None:
        self._subscribe_again.clear()
        client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in self._options.subscribe])

    # --- callbacks: enqueue, nothing else ----------------------------------------------------------------------------

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answered = True
        if code.is_failure:
            self._lost = UplinkFault(MQTT_REFUSED, str(code))
            return
        self._subscribe(client)

    def _on_subscribe(
        self, client: Client, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [str(code) for code in codes if code.is_failure]
        if refused:
            self._lost = UplinkFault(MQTT_REFUSED, f"subscribe: {', '.join(refused)}")
            client.disconnect()
            return
        self._failures = 0
        self.connected = True
        self._deliver(Connected())

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self.connected = False
        if self._lost is None:
            self._lost = UplinkFault(MQTT_LOST, str(code))

    def _on_publish(
        self, _client: Client, _data: Any, _mid: int, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._settled, self._in_flight = self._settled + 1, self._in_flight - 1

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        self._deliver(Message(message.topic, bytes(message.payload), _inbound_properties(message)))


def _properties(packet: int) -> Any:
    make: Any = Properties  # its constructor and attributes carry no types
    return make(packet)


def _content(packet: int) -> Any:
    """What every payload of ours is: JSON, UTF-8 (payload format indicator 1)."""
    properties = _properties(packet)
    properties.PayloadFormatIndicator = 1
    properties.ContentType = CONTENT_TYPE
    return properties


def _inbound_properties(message: MQTTMessage) -> MessageProperties:
    # paho sets an attribute for each property that was in the packet, and none for the others.
    found: Any = message.properties
    return MessageProperties(
        response_topic=getattr(found, "ResponseTopic", None),
        correlation_data=getattr(found, "CorrelationData", None),
        expiry_s=getattr(found, "MessageExpiryInterval", None),
        retained=bool(message.retain),
    )


def _discard(client: Client) -> None:
    """Close the socket of a client we are done with; the next session gets a new client."""
    sock = client.socket()
    if sock is not None:
        sock.close()
