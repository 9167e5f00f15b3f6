"""The store's side of MQTT: what units announce and report is recorded, then acknowledged; receipts are published.

The connection is the units' own link class (one place that knows the client library's traps); here is what is said over
it. An acknowledgement goes out only after the commit: the unit repeats until then, the broker may forget what it likes.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from firmware_bridge.ports import Clock
from hw_sim.agency.names import STORE_NAME, is_unit_id
from hw_sim.agency.store.grant_desk import TICK_S, GrantDesk
from hw_sim.agency.store.register import IssuedReceipt, Register
from recorder.fleet.gauge import SlotLimits
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, MqttLink, MqttOptions, Outgoing, Will

log = logging.getLogger("agency.store")

STATE_TOPIC = "fleet/v1/store/state"
MAX_PAYLOAD = 128 * 1024
MAX_MSG_ID = 200
BATCH = 100
ACK_EXPIRY_S = 600
"""A unit repeats, at most 300 s apart, what was not acknowledged: an older acknowledgement has a successor."""
RECEIPT_EXPIRY_S = 24 * 3600
"""It can be fetched over HTTPS for ever; a unit that was away for long asks there."""


class Fleet:
    """One thread handles what comes in; ``publish_receipt`` may be called from any."""

    def __init__(
        self,
        register: Register,
        clock: Clock,
        host: str,
        port: int,
        tls_dir: Path,
        fraction: Callable[[], float],
        slots: SlotLimits | None = None,
    ) -> None:
        """``slots``: how many upload slots are granted; None: none are, units upload as they like."""
        self._grants = None if slots is None else GrantDesk(register, clock, slots, self._tell_grant)
        self._register = register
        self._clock = clock
        self._inbound: queue.SimpleQueue[Inbound | None] = queue.SimpleQueue()
        options = MqttOptions(
            host=host,
            port=port,
            keepalive_s=30,
            connect_timeout_s=5.0,
            client_id=STORE_NAME,
            subscribe=("fleet/v1/+/up/#",),
            will=Will(STATE_TOPIC, lambda: self._text(online=False)),
        )
        self._link = MqttLink(
            options, lambda: tls_context(tls_dir), clock, BackoffPolicy(0.2, 10.0), fraction, self._inbound.put
        )
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        self._link.start()
        self._thread.start()

    def close(self) -> None:
        """Say offline (a clean goodbye makes the broker drop the last will), then go."""
        if self._link.connected:
            self._link.publish(Outgoing(STATE_TOPIC, self._text(online=False), retain=True))
        self._link.close(3.0)
        self._inbound.put(None)
        self._thread.join(3.0)

    def publish_receipt(self, receipt: IssuedReceipt) -> None:
        """Best effort: the receipt can always be fetched over HTTPS, so nothing is queued while there is no broker."""
        if self._link.connected:
            text = self._text(receipt=receipt.jws)
            topic = f"fleet/v1/{receipt.unit_id}/down/receipt"
            self._link.publish(Outgoing(topic, text, expiry_s=RECEIPT_EXPIRY_S))

    def _tell_grant(self, unit_id: str, members: dict[str, Any], expiry_s: int) -> None:
        if self._link.connected:
            topic = f"fleet/v1/{unit_id}/down/grant"
            self._link.publish(Outgoing(topic, self._text(**members), expiry_s=expiry_s))

    def _state(self) -> str:
        return self._text(online=True, grants=self._grants is not None)

    def _next(self) -> Inbound | None:
        """The next thing that came in; meanwhile the slots are looked after. None: the end."""
        while self._grants is not None:
            try:
                return self._inbound.get(timeout=TICK_S / 2)
            except queue.Empty:
                self._look_after_slots()
        return self._inbound.get()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            batch: list[Inbound] = [item]
            while len(batch) < BATCH:
                try:
                    following = self._inbound.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    return
                batch.append(following)
            try:
                self._handle(batch)
            except Exception:
                # Nothing was acknowledged, so the units repeat it; the thread must live to hear them.
                log.exception("fleet messages")
            self._look_after_slots()

    def _look_after_slots(self) -> None:
        if self._grants is None:
            return
        try:
            self._grants.tick()
        except Exception:
            log.exception("upload slots")  # units come by themselves when they hear nothing

    def _handle(self, batch: list[Inbound]) -> None:
        for item in batch:
            if isinstance(item, Connected):
                log.info("mqtt connected")
                self._link.publish(Outgoing(STATE_TOPIC, self._state(), retain=True))
            elif isinstance(item, Disconnected):
                log.warning("mqtt: %s", item.fault)
        for unit_id, msg_ids in self.record([item for item in batch if isinstance(item, Message)]).items():
            topic = f"fleet/v1/{unit_id}/down/ack"
            self._link.publish(Outgoing(topic, self._text(acks=msg_ids), expiry_s=ACK_EXPIRY_S))

    def record(self, messages: Sequence[Message]) -> dict[str, list[str]]:
        """Keep what units said. Returns the ids to acknowledge of each unit: what is committed, whatever became of the
        other messages, which are other units'."""
        acks: defaultdict[str, list[str]] = defaultdict(list)
        for message in messages:
            try:
                self._message(message, acks)
            except Exception:
                log.exception("%s", message.topic)  # not acknowledged: its unit repeats it
        return dict(acks)

    def _message(self, message: Message, acks: defaultdict[str, list[str]]) -> None:
        parts = message.topic.split("/")
        if len(parts) != 5 or parts[3] != "up" or not is_unit_id(parts[2]):
            return
        unit_id, kind = parts[2], parts[4]
        try:
            payload = parse(message.payload)
        except ValueError as error:
            log.warning("%s: %s", message.topic, error)
            return
        now = self._clock.wall_us() / 1e6
        text = message.payload.decode("utf-8")
        if kind == "status":
            self._register.add_status(unit_id, payload["msg_id"], text, now)
            self._hear(unit_id, payload)
            self._register.keep_latest(unit_id, kind, text, now)
        elif kind in ("health", "reported"):
            self._register.keep_latest(unit_id, kind, text, now)
        elif kind == "announce":
            self._register.add_announcement(unit_id, payload["msg_id"], text, now)
            acks[unit_id].append(payload["msg_id"])
            self._repeat_receipt(unit_id, payload.get("segment_id"))

    def _hear(self, unit_id: str, payload: dict[str, Any]) -> None:
        if self._grants is None:
            return
        try:
            self._grants.status(unit_id, payload)
        except ValueError as error:
            log.warning("%s: %s", unit_id, error)

    def _repeat_receipt(self, unit_id: str, segment_id: object) -> None:
        """A unit that announces what is stored already may have missed the receipt."""
        stored = self._register.object(unit_id, segment_id) if isinstance(segment_id, str) else None
        receipt = None if stored is None else self._register.receipt(stored.receipt_id)
        if receipt is not None:
            self.publish_receipt(receipt)

    def _text(self, **members: Any) -> str:
        envelope = {"msg_id": str(uuid4()), "sent_at": round(self._clock.wall_us() / 1e6, 3)}
        return json.dumps({**members, **envelope}, separators=(",", ":"))


def parse(payload: bytes) -> dict[str, Any]:
    """A message's members; ``msg_id`` is there and short. Raises ValueError."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"longer than {MAX_PAYLOAD} bytes")
    try:
        value = json.loads(payload.decode("utf-8"))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an object")
    msg_id = value.get("msg_id")
    if not isinstance(msg_id, str) or not 0 < len(msg_id) <= MAX_MSG_ID:
        raise ValueError("no usable msg_id")
    if not msg_id.isprintable():
        raise ValueError(f"msg_id {msg_id!r}")  # half a surrogate pair, say, which no database takes
    return value
