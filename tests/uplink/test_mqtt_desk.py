"""The desk with a connection made of glass: what it publishes, and that a dead connection is replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ports import Clock, ClockQuality
from recorder.uplink.facts import JournalGrew, Notice, Segment, fact_of
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import MQTT_LOST, UNIT_AWAY, UplinkFault
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, Outgoing
from recorder.uplink.mqtt_desk import MqttDesk
from recorder.uplink.outbox import Outbox

J = "00000000-0000-4000-8000-000000000000"
S = 1_000_000


class HandClock:
    def __init__(self) -> None:
        self.now_us = 0

    def boottime_us(self) -> int:
        return self.now_us

    def wall_us(self) -> int:
        return 1_800_000_000 * S + self.now_us

    def boot_id(self) -> str:
        return "boot"

    def quality(self) -> ClockQuality:
        return ClockQuality("none", False, None)


class GlassLink:
    def __init__(self, deliver: Callable[[Inbound], None], will: str) -> None:
        self.deliver, self.will = deliver, json.loads(will)
        self.connected = False
        self.dead = False
        self.closed = False
        self.sent: list[Outgoing] = []

    def start(self) -> None:
        return

    def publish(self, message: Outgoing) -> None:
        self.sent.append(message)

    def close(self, _timeout_s: float) -> None:
        self.closed = True

    def stalled(self, _now_us: int) -> bool:
        return self.dead

    def up(self) -> None:
        self.connected = True
        self.deliver(Connected())

    def payloads(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.sent if message.topic.endswith(name)]


class Bench:
    def __init__(self, directory: Path) -> None:
        self.clock = HandClock()
        clock: Clock = self.clock
        self.board = FaultBoard(clock)
        self.links: list[GlassLink] = []
        self.receipts: list[str] = []
        self.returns = 0
        self.unit_away = False
        self.unit_says: dict[str, Any] = {"ok": True, "officers": 1}
        self.handed_over: list[str] = []
        self.desk = MqttDesk(
            "u1",
            clock,
            self.board,
            Outbox(directory / "outbox.db"),
            self._link,
            lambda: 0.0,
            lambda: {"head_seq": 5},
            lambda: {"unit": "fresh", "health": {"recording": True}},
            30.0,
            self.receipts.append,
            self._back,
            self._hand_over,
        )

    def _link(self, deliver: Callable[[Inbound], None], will: str) -> GlassLink:
        self.links.append(GlassLink(deliver, will))
        return self.links[-1]

    def _hand_over(self, text: str) -> dict[str, Any]:
        if self.unit_away:
            raise UplinkFault(UNIT_AWAY, "control.sock")
        self.handed_over.append(text)
        return self.unit_says

    def _back(self) -> None:
        self.returns += 1

    def segment(self, seq: int) -> None:
        self.desk.announce(Segment(J, seq, "a", f"{seq}", "d", 1, 0.0))
        self.desk.journal_grew(JournalGrew(J, seq))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.desk.close()


def test_the_will_says_offline(bench: Bench) -> None:
    assert bench.links[0].will["online"] is False
    assert bench.links[0].will["msg_id"]


def test_status_is_retained_and_keeps_its_rhythm(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    for second in range(61):
        bench.clock.now_us = second * S
        bench.desk.tick()
    assert len(link.payloads("up/status")) == 3


def test_health_goes_out_with_the_status_and_is_retained(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    bench.desk.tick()
    (sent,) = [message for message in link.sent if message.topic == "fleet/v1/u1/up/health"]
    assert sent.retain
    body = json.loads(sent.payload)
    assert (body["unit"], body["health"]) == ("fresh", {"recording": True})
    assert body["msg_id"] and "sent_at" in body
    assert all(message.retain for message in link.sent)


def test_nothing_is_published_before_the_subscriptions_stand(bench: Bench) -> None:
    bench.segment(3)
    bench.desk.tick()
    assert bench.links[0].sent == []


def test_a_dead_connection_is_reported_and_replaced_and_everything_goes_again(bench: Bench) -> None:
    bench.segment(3)
    bench.links[0].up()
    bench.desk.tick()
    assert len(bench.links[0].payloads("up/announce")) == 1
    bench.links[0].dead = True
    bench.desk.tick()
    assert [entry["code"] for entry in bench.board.active()] == ["mqtt-stalled"]
    assert bench.links[0].closed
    bench.links[1].up()
    bench.desk.tick()
    assert len(bench.links[1].payloads("up/announce")) == 1
    assert bench.board.active() == []


def test_a_lost_connection_is_a_fault_until_the_next(bench: Bench) -> None:
    bench.links[0].deliver(Disconnected(UplinkFault(MQTT_LOST, "keep alive timeout")))
    bench.desk.tick()
    assert [entry["code"] for entry in bench.board.active()] == ["mqtt-lost"]


def test_the_same_journal_read_again_announces_nothing_twice(bench: Bench) -> None:
    bench.links[0].up()
    bench.segment(3)
    bench.desk.tick()
    bench.links[0].deliver(Message("fleet/v1/u1/down/ack", json.dumps({"acks": [f"{J}:3"]}).encode()))
    bench.desk.tick()
    bench.segment(3)
    assert bench.desk.unacknowledged() == 0


def test_the_store_coming_back_is_told_once_each_time(bench: Bench) -> None:
    for online in (True, True, False, True):
        bench.links[0].deliver(Message("fleet/v1/store/state", json.dumps({"online": online}).encode()))
    bench.desk.tick()
    assert bench.returns == 2


def test_other_units_topics_are_not_ours(bench: Bench) -> None:
    bench.links[0].deliver(Message("fleet/v1/u2/down/receipt", b'{"receipt": "a.b.c"}'))
    bench.desk.tick()
    assert bench.receipts == []


def test_a_deadline_warning_of_the_journal_is_announced_with_its_detail(bench: Bench) -> None:
    fact = fact_of(
        "event",
        {"event": "deadline-warning", "journal_id": J, "seq": 7, "detail": {"level": "urgent", "sessions": 2}},
    )
    assert isinstance(fact, Notice)
    bench.desk.announce(fact)
    bench.links[0].up()
    bench.desk.journal_grew(JournalGrew(J, 7))
    bench.desk.tick()
    (sent,) = bench.links[0].payloads("up/announce")
    assert {key: sent[key] for key in ("kind", "seq", "level", "sessions", "msg_id")} == {
        "kind": "deadline-warning",
        "seq": 7,
        "level": "urgent",
        "sessions": 2,
        "msg_id": f"{J}:7",
    }
    assert fact_of("event", {"event": "night-on"}) is None


def test_an_assignment_is_handed_to_the_unit_and_its_answer_published(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    body = json.dumps({"msg_id": "m1", "sent_at": 1, "assignment": "a.b.c"}).encode()
    link.deliver(Message("fleet/v1/u1/down/assign", body))
    bench.desk.tick()
    assert bench.handed_over == ["a.b.c"]
    (answer,) = link.payloads("up/assigned")
    assert (answer["in_reply_to"], answer["result"], answer["officers"]) == ("m1", "accepted", 1)


def test_a_malformed_assignment_is_reported_without_a_word_of_it(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    body = json.dumps({"msg_id": "m1", "assignment": 7, "name": "OUYANG"}).encode()
    link.deliver(Message("fleet/v1/u1/down/assign", body))
    bench.desk.tick()
    (fault,) = [entry for entry in bench.board.recent() if entry["code"] == "mqtt-message"]
    assert "OUYANG" not in json.dumps(fault)
    assert bench.handed_over == []
