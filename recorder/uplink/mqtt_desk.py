"""What goes over MQTT: birth, status and last will, announcements with the store's own acknowledgement, receipts; what
else comes down is handled by carriers (:mod:`recorder.uplink.carrier`).

Runs on the main thread; the connection (:mod:`recorder.uplink.mqtt`) only passes messages through a queue. Inbound
messages are safe to repeat by what they are (an acknowledgement deletes, a receipt has its id as file name), so QoS 1
duplicates need no memory of message ids on this side.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from recorder.uplink.carrier import Answer, Carrier
from recorder.uplink.facts import JournalGrew, JournalReset
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import MQTT_MESSAGE, MQTT_STALLED, UplinkFault
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, Outgoing
from recorder.uplink.outbox import Announced, Announcements
from recorder.uplink.resend import ANNOUNCE_EXPIRY_S, WINDOW, ResendPlan

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

log = logging.getLogger("recorder.uplink")
AREA = "mqtt"
STORE_STATE = "fleet/v1/store/state"
MOST_WAITING = 64
"""Messages between two ticks. The connection waits for room beyond that, and the broker for the connection."""
ROOM_S = 2.0
ANSWERS_HELD = 32
"""Answers that wait for a connection, the newest. Whoever waits for an older one asks again (docs/wire.md)."""


def subscriptions(unit_id: str, carriers: Sequence[Carrier]) -> tuple[str, ...]:
    """What a unit listens to, topic by topic: not every broker gives retained messages to a subscription with a wildcard
    (RabbitMQ 4.0 does not, AWS IoT limits it)."""
    suffixes = ("down/ack", "down/receipt", *(carrier.suffix for carrier in carriers))
    return (*(f"fleet/v1/{unit_id}/{suffix}" for suffix in suffixes), STORE_STATE)


class Link(Protocol):
    """The part of ``MqttLink`` used here."""

    connected: bool

    def start(self) -> None: ...

    def publish(self, message: Outgoing) -> None: ...

    def close(self, timeout_s: float) -> None: ...

    def stalled(self, now_us: int) -> bool: ...

    def fetch_retained(self) -> None: ...


class MqttDesk:
    """``make_link(deliver, will)`` builds a connection, ``will`` makes a last will for it; ``status()`` gives the members
    of up/status besides ``online`` (it is also called on the connection's thread), ``health()`` those of up/health;
    ``on_receipt`` gets the JWS of each down/receipt; ``store_is_back`` is called when the store says it is online;
    ``carriers`` handle what else comes down, at most one per topic; ``store_state`` gets each store/state."""

    def __init__(
        self,
        unit_id: str,
        clock: Clock,
        board: FaultBoard,
        outbox: Announcements,
        make_link: Callable[[Callable[[Inbound], None], Callable[[], str]], Link],
        fraction: Callable[[], float],
        status: Callable[[], dict[str, Any]],
        health: Callable[[], dict[str, Any]],
        status_interval_s: float,
        on_receipt: Callable[[str], None],
        store_is_back: Callable[[], None],
        carriers: Sequence[Carrier],
        store_state: Callable[[dict[str, Any]], None] = lambda _value: None,
    ) -> None:
        self._prefix = f"fleet/v1/{unit_id}"
        self._clock = clock
        self._board = board
        self._outbox = outbox
        self._make_link = make_link
        self._fraction = fraction
        self._status = status
        self._health = health
        self._status_us = round(status_interval_s * 1e6)
        self._on_receipt = on_receipt
        self._store_is_back = store_is_back
        self._store_state = store_state
        self._carriers = {f"{self._prefix}/{carrier.suffix}": carrier for carrier in carriers}
        if len(self._carriers) != len(carriers):
            raise ValueError("two carriers for one topic")
        self._inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
        self._room = threading.Semaphore(MOST_WAITING)
        self._plan = ResendPlan()
        self._answers: deque[tuple[int | None, Outgoing]] = deque(maxlen=ANSWERS_HELD)
        """With the boot time at which nobody waits for them any more, None: never."""
        self._news: dict[int, Announced] = {}
        self._grown: str | None = None
        """The journal whose news the outbox would not take yet."""
        self._next_status_us = 0
        self._store_online: bool | None = None
        self._link = self._new_link()

    @property
    def connected(self) -> bool:
        return self._link.connected

    def unacknowledged(self) -> int:
        return self._outbox.count()

    def _new_link(self) -> Link:
        link = self._make_link(self._deliver, lambda: self._status_text(online=False))
        link.start()
        return link

    def _deliver(self, item: Inbound) -> None:
        """On the connection's thread. Raises queue.Full for a message nobody made room for (see ``MqttLink``)."""
        if isinstance(item, Message) and not self._room.acquire(timeout=ROOM_S):
            raise queue.Full("messages come faster than they are handled")
        self._inbound.put(item)

    # --- when the agency asks ----------------------------------------------------------------------------------------

    def report_now(self) -> None:
        """Status and health with the next tick."""
        self._next_status_us = 0

    def fetch_retained(self) -> None:
        """Have the broker send again what it retains for this unit: the desired configuration."""
        self._link.fetch_retained()

    # --- from the journal --------------------------------------------------------------------------------------------

    def announce(self, item: Announced) -> None:
        self._news[item.seq] = item

    def journal_reset(self, _fact: JournalReset) -> None:
        self._news.clear()
        self._grown = None

    def journal_grew(self, fact: JournalGrew) -> None:
        """Everything up to ``head_seq`` is durable in the journal: take the new segments into the outbox."""
        self._hand_over(fact.journal_id)

    def _hand_over(self, journal_id: str) -> None:
        taken = self._outbox.take(journal_id, self._news.values())
        self._grown = None if taken else journal_id
        if taken:
            self._news.clear()

    # --- the rhythm --------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Handle what came in, rebuild a dead connection, publish what is due."""
        now = self._clock.boottime_us()
        self._watch(now)
        if self._grown is not None:
            self._hand_over(self._grown)
        for _ in range(2 * MOST_WAITING):  # not for ever: whoever sends must not keep what else is due
            try:
                item = self._inbound.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, Message):
                self._room.release()
            self._take(item, now)
        for carrier in self._carriers.values():
            for answer in carrier.tick(now):
                self._answer(answer, now)
        if not self._link.connected:
            return
        self._publish_answers(now)
        if now >= self._next_status_us:
            self._publish_status(online=True)
            self._publish_health()
            self._next_status_us = now + self._status_us
        pending = {message.msg_id: message for message in self._outbox.pending(WINDOW)}
        for msg_id in self._plan.due(list(pending), now):
            body = {**json.loads(pending[msg_id].payload), **self._envelope(msg_id)}
            self._link.publish(Outgoing(f"{self._prefix}/up/announce", _json(body), expiry_s=ANNOUNCE_EXPIRY_S))
            self._plan.sent(msg_id, now, self._fraction())

    def _watch(self, now_us: int) -> None:
        """Three ways a connection can look alive and be none: its thread hangs or ended (``stalled``), the line swallows
        everything (paho ends it when a PINGRESP is overdue), or what we say is never acknowledged."""
        if self._link.stalled(now_us):
            detail = ""
        elif self._link.connected and self._store_online and self._plan.stuck(now_us):
            detail = "没有一条通告得到确认 announcements are never acknowledged"
        else:
            return
        self._board.report(AREA, UplinkFault(MQTT_STALLED, detail))
        self._plan.reconnected()
        self._link.close(0)
        self._link = self._new_link()

    def close(self) -> None:
        """Say offline ourselves: a clean goodbye makes the broker drop the last will."""
        if self._link.connected:
            self._publish_status(online=False)
        self._link.close(3.0)
        self._outbox.close()

    # --- inbound -----------------------------------------------------------------------------------------------------

    def _take(self, item: Inbound, now_us: int) -> None:
        if isinstance(item, Connected):
            self._board.clear(AREA)
            self._plan.reconnected()
            self._next_status_us = now_us
            for carrier in self._carriers.values():
                carrier.connected()
            log.info("mqtt.connected")
        elif isinstance(item, Disconnected):
            self._board.report(AREA, item.fault)
        elif isinstance(item, Message):
            try:
                self._message(item)
            except (ValueError, RecursionError) as error:
                # What stands in an assignment is an officer's name; a log is no place for what a carrier takes.
                shown = "" if item.topic in self._carriers else f": {item.payload[:100]!r}"
                detail = f"{item.topic}: {error}{shown}"
                self._board.report("mqtt-message", UplinkFault(MQTT_MESSAGE, detail, subject=item.topic))

    def _message(self, message: Message) -> None:
        """Raises ValueError for anything that is not what docs/wire.md says."""
        value = json.loads(message.payload)
        if not isinstance(value, dict):
            raise ValueError("not an object")
        if message.topic == f"{self._prefix}/down/ack":
            acks = value.get("acks")
            if not isinstance(acks, list) or not all(isinstance(ack, str) for ack in acks):
                raise ValueError("acks is not a list of texts")
            self._outbox.acknowledged(acks)
        elif message.topic == f"{self._prefix}/down/receipt":
            receipt = value.get("receipt")
            if not isinstance(receipt, str):
                raise ValueError("receipt is not text")
            self._on_receipt(receipt)
        elif message.topic in self._carriers:
            self._carriers[message.topic].arrived(value, message.properties)
        elif message.topic == STORE_STATE:
            online = value.get("online") is True
            if online and self._store_online is not True:
                self._store_is_back()
            self._store_online = online
            self._store_state(value)

    # --- outbound ----------------------------------------------------------------------------------------------------

    def _answer(self, answer: Answer, now_us: int) -> None:
        """Nothing is given to a connection that does not stand: it would keep every one, for as long as the broker is away.
        What is retained says how things are, and its carrier says so again on every connection."""
        if answer.retain and not self._link.connected:
            return
        message = Outgoing(
            f"{self._prefix}/{answer.suffix}",
            _json({**answer.members, **self._envelope(str(uuid.uuid4()))}),
            retain=answer.retain,
            correlation_data=answer.correlation_data,
            expiry_s=answer.expiry_s,
        )
        until_us = None if answer.expiry_s is None else now_us + round(answer.expiry_s * 1e6)
        self._answers.append((until_us, message))
        if self._link.connected:
            self._publish_answers(now_us)

    def _publish_answers(self, now_us: int) -> None:
        while self._answers:
            until_us, message = self._answers.popleft()
            if until_us is None or now_us < until_us:
                self._link.publish(message)

    def _publish_status(self, *, online: bool) -> None:
        self._link.publish(Outgoing(f"{self._prefix}/up/status", self._status_text(online=online), retain=True))

    def _publish_health(self) -> None:
        body = {**self._health(), **self._envelope(str(uuid.uuid4()))}
        self._link.publish(Outgoing(f"{self._prefix}/up/health", _json(body), retain=True))

    def _status_text(self, *, online: bool) -> str:
        return _json({"online": online, **self._status(), **self._envelope(str(uuid.uuid4()))})

    def _envelope(self, msg_id: str) -> dict[str, object]:
        return {"msg_id": msg_id, "sent_at": self._clock.wall_us() / 1e6}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
