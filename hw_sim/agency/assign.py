"""The agency's duty desk (值班台) at the broker: sends a signed assignment until the unit has answered."""

from __future__ import annotations

import json
import queue
import random
import uuid
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from hw_sim.agency.names import DESK_NAME
from hw_sim.agency.processes import AgencyError
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.http import tls_context
from recorder.uplink.mqtt import Connected, Inbound, Message, MqttLink, MqttOptions, Outgoing

ANSWER_S = 20.0
REPEAT_S = 4.0
EXPIRY_S = round(ANSWER_S)
"""A unit that was away must not sign an officer in hours after the desk gave up."""


def send_assignment(host: str, port: int, tls: Path, clock: Clock, unit_id: str, assignment: str) -> dict[str, Any]:
    """The unit's answer (docs/wire.md, up/assigned). Raises AgencyError when there is none within ``ANSWER_S``."""
    inbound: queue.SimpleQueue[Inbound] = queue.SimpleQueue()
    options = MqttOptions(
        host=host,
        port=port,
        keepalive_s=30,
        connect_timeout_s=5.0,
        client_id=DESK_NAME,
        subscribe=(f"fleet/v1/{unit_id}/up/assigned",),
    )
    link = MqttLink(options, lambda: tls_context(tls), clock, BackoffPolicy(0.2, 2.0), random.random, inbound.put)
    link.start()
    try:
        return _exchange(link, inbound, clock, unit_id, assignment)
    finally:
        link.close(3.0)


def _exchange(
    link: MqttLink, inbound: queue.SimpleQueue[Inbound], clock: Clock, unit_id: str, assignment: str
) -> dict[str, Any]:
    msg_id = str(uuid.uuid4())
    deadline = clock.boottime_us() + round(ANSWER_S * 1e6)
    next_us = 0
    connected = False
    while (now := clock.boottime_us()) < deadline:
        if connected and now >= next_us:
            body = {"msg_id": msg_id, "sent_at": clock.wall_us() / 1e6, "assignment": assignment}
            topic = f"fleet/v1/{unit_id}/down/assign"
            link.publish(Outgoing(topic, json.dumps(body), expiry_s=EXPIRY_S))
            next_us = now + round(REPEAT_S * 1e6)
        try:
            item = inbound.get(timeout=0.2)
        except queue.Empty:
            continue
        connected = connected or isinstance(item, Connected)
        if isinstance(item, Message):
            answer = json.loads(item.payload)
            if isinstance(answer, dict) and answer.get("in_reply_to") == msg_id:
                return answer
    raise AgencyError(f"{unit_id}: {ANSWER_S:g} 秒内没有应答指派 no answer to the assignment")
