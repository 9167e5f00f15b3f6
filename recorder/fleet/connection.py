"""A short MQTT session of the admin: say something, hear the answers, leave. Nothing is kept at the broker in between.

The connection itself is the uplink's (:mod:`recorder.uplink.mqtt`): the same TLS, the same time-outs. An admin's session
is clean and has no last will; what an admin missed while away is asked for again, never queued for him.
"""

from __future__ import annotations

import json
import queue
import random
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from recorder.fleet.settings import FleetError, FleetSettings
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, MqttLink, MqttOptions, Outgoing

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock

KEEPALIVE_S = 30
BACKOFF = BackoffPolicy(0.2, 2.0)
GOODBYE_S = 3.0
SETTLE_S = 30.0
_LOOK_S = 0.02


class Link(Protocol):
    """The part of ``MqttLink`` used here."""

    def start(self) -> None: ...

    def publish(self, message: Outgoing) -> None: ...

    @property
    def under_way(self) -> int: ...

    def close(self, timeout_s: float) -> None: ...


MakeLink = Callable[[Callable[[Inbound], None]], Link]


def real_link(settings: FleetSettings, clock: Clock, subscribe: tuple[str, ...]) -> MakeLink:
    """Mutual TLS to the broker of ``settings``, under the name in the admin's certificate, which is user and client id at
    once: a second session under the same certificate ends the first. Raises FleetError for a certificate without one."""
    broker = settings.file.broker
    options = MqttOptions(
        host=broker.host,
        port=broker.port,
        keepalive_s=KEEPALIVE_S,
        connect_timeout_s=broker.connect_timeout_s,
        client_id=client_name(settings.tls_dir / "client-cert.pem"),
        subscribe=subscribe,
        session_expiry_s=0,
    )
    tls_dir = settings.tls_dir
    return lambda deliver: MqttLink(options, lambda: tls_context(tls_dir), clock, BACKOFF, random.random, deliver)


def client_name(certificate: Path) -> str:
    """The CN of the admin's certificate. Raises FleetError naming the file."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        names = x509.load_pem_x509_certificate(certificate.read_bytes()).subject.get_attributes_for_oid(
            NameOID.COMMON_NAME
        )
        return str(names[0].value)
    except (OSError, ValueError, IndexError) as error:
        raise FleetError(
            f"{certificate}: 管理员证书不可用：{error}",
            f"{certificate}: the admin's certificate cannot be used: {error}",
        ) from error


class FleetConnection:
    """Context manager: connected and subscribed on entry, FleetError when the broker cannot be reached in time.

    ``make_link``: :func:`real_link` for the topics that are to be heard. One thread uses it."""

    def __init__(self, make_link: MakeLink, clock: Clock, connect_timeout_s: float) -> None:
        self._clock = clock
        self._timeout_us = round(connect_timeout_s * 1e6)
        self._inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        self._link = make_link(self._inbound.put)
        self.sessions = 0
        """How many times the connection stood: what was published before the last of them may be lost."""

    def __enter__(self) -> FleetConnection:
        self._link.start()
        try:
            self._connect()
        except BaseException:
            self._link.close(0)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close(GOODBYE_S)

    def publish(
        self,
        topic: str,
        body: Mapping[str, Any],
        *,
        retain: bool = False,
        response_topic: str | None = None,
        correlation: bytes | None = None,
        expiry_s: int | None = None,
    ) -> None:
        """QoS 1; ``body`` is given its envelope (``msg_id``, ``sent_at``) where it brings none. ``response_topic``,
        ``correlation``, ``expiry_s``: MQTT 5 Response Topic, Correlation Data, Message Expiry Interval (s)."""
        envelope = {"msg_id": str(uuid.uuid4()), "sent_at": self._clock.wall_us() / 1e6}
        text = json.dumps({**envelope, **body}, ensure_ascii=False, separators=(",", ":"))
        self._link.publish(Outgoing(topic, text, retain, correlation, response_topic, expiry_s))

    def settle(self, patience_s: float = SETTLE_S) -> None:
        """Until nothing that was published is under way any more: the broker has it, or it was lost with the connection.
        Raises FleetError after ``patience_s``."""
        deadline, pause = self._clock.boottime_us() + round(patience_s * 1e6), threading.Event()
        while left := self._link.under_way:
            if self._clock.boottime_us() >= deadline:
                raise FleetError(
                    f"消息服务器 {patience_s:g} 秒内未确认 {left} 份消息；稍后用 resume 继续",
                    f"the broker has not confirmed {left} messages within {patience_s:g} s; resume later",
                )
            pause.wait(_LOOK_S)

    def next(self, until_us: int) -> Message | None:
        """The next message, None when none came before ``until_us`` (boot-time)."""
        while True:
            left = until_us - self._clock.boottime_us()
            if left <= 0:
                return None
            try:
                item = self._inbound.get(timeout=left / 1e6)
            except queue.Empty:
                return None
            if isinstance(item, Message):
                return item
            if isinstance(item, Connected):
                self.sessions += 1

    def _connect(self) -> None:
        deadline = self._clock.boottime_us() + self._timeout_us
        fault: UplinkFault | None = None
        while (left := deadline - self._clock.boottime_us()) > 0:
            try:
                item = self._inbound.get(timeout=left / 1e6)
            except queue.Empty:
                break
            if isinstance(item, Connected):
                self.sessions += 1
                return
            if isinstance(item, Disconnected):
                fault = item.fault
        why = (fault.kind.zh, fault.kind.en) if fault else ("没有应答", "no answer")
        detail = f"（{fault.detail}）" if fault and fault.detail else ""
        raise FleetError(
            f"无法连接消息服务器：{why[0]}{detail}", f"the broker cannot be reached: {why[1]} {detail}".strip()
        )


def json_body(message: Message) -> dict[str, Any] | None:
    """The payload as a JSON object, None for anything else: whoever may write to a topic may write nonsense."""
    try:
        value = json.loads(message.payload)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
