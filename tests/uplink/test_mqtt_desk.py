"""The desk with a connection made of glass: what it publishes, and that a dead connection is replaced."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.ports import Clock, ClockQuality
from recorder.uplink.carrier import Answer, Carrier
from recorder.uplink.facts import JournalGrew, Notice, Segment, fact_of
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import MQTT_LOST, UplinkFault
from recorder.uplink.mqtt import Connected, Disconnected, Inbound, Message, MessageProperties, Outgoing
from recorder.uplink.mqtt_desk import ANSWERS_HELD, MOST_WAITING, MqttDesk, subscriptions
from recorder.uplink.outbox import Announced, Outbox
from recorder.uplink.resend import ANNOUNCE_EXPIRY_S, STUCK_US

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
    def __init__(self, deliver: Callable[[Inbound], None], will: Callable[[], str]) -> None:
        self.deliver, self.will = deliver, will
        self.connected = False
        self.dead = False
        self.closed = False
        self.fetched = 0
        self.sent: list[Outgoing] = []

    def start(self) -> None:
        return

    def publish(self, message: Outgoing) -> None:
        self.sent.append(message)

    def close(self, _timeout_s: float) -> None:
        self.closed = True

    def fetch_retained(self) -> None:
        self.fetched += 1

    def stalled(self, _now_us: int) -> bool:
        return self.dead

    def up(self) -> None:
        self.connected = True
        self.deliver(Connected())

    def payloads(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.sent if message.topic.endswith(name)]


class BasketCarrier:
    """Keeps what arrived; answers each message once, with the correlation data it came with."""

    suffix = "down/basket"

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, Any], MessageProperties]] = []
        self.connections = 0
        self._due: list[Answer] = []

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        if "fruit" not in value:
            raise ValueError("no fruit")
        self.got.append((value, properties))
        members = {"in_reply_to": value["msg_id"]}
        self._due.append(Answer("up/eaten", members, retain=True, correlation_data=properties.correlation_data))

    def connected(self) -> None:
        self.connections += 1

    def tick(self, now_us: int) -> list[Answer]:
        del now_us
        due, self._due = self._due, []
        return due


class Bench:
    def __init__(self, directory: Path) -> None:
        self.clock = HandClock()
        clock: Clock = self.clock
        self.board = FaultBoard(clock)
        self.links: list[GlassLink] = []
        self.receipts: list[str] = []
        self.returns = 0
        self.basket = BasketCarrier()
        self.outbox = Outbox(directory / "outbox.db")
        self.desk = self.make_desk(self.basket)

    def make_desk(self, *carriers: Carrier) -> MqttDesk:
        return MqttDesk(
            "u1",
            self.clock,
            self.board,
            self.outbox,
            self._link,
            lambda: 0.0,
            lambda: {"head_seq": 5},
            lambda: {"unit": "fresh", "health": {"recording": True}},
            30.0,
            self.receipts.append,
            self._back,
            carriers,
        )

    def _link(self, deliver: Callable[[Inbound], None], will: Callable[[], str]) -> GlassLink:
        self.links.append(GlassLink(deliver, will))
        return self.links[-1]

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


def test_each_will_says_offline_and_is_a_message_of_its_own(bench: Bench) -> None:
    first, second = (json.loads(bench.links[0].will()) for _ in range(2))
    assert first["online"] is False and first["head_seq"] == 5
    assert first["msg_id"] != second["msg_id"], "the store would take the second for a repeat"


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


def test_what_the_outbox_would_not_take_is_offered_again_without_waiting_for_the_journal(bench: Bench) -> None:
    inner, refusals = bench.outbox, [True, True, False]

    class Reluctant(Outbox):
        def __init__(self) -> None:
            """Nothing of its own."""

        def take(self, journal_id: str, news: Collection[Announced]) -> bool:
            return not refusals.pop(0) and inner.take(journal_id, news)

        pending, acknowledged, count, close = inner.pending, inner.acknowledged, inner.count, inner.close

    bench.outbox = Reluctant()
    bench.desk = bench.make_desk(bench.basket)
    bench.links[-1].up()
    bench.segment(3)
    bench.desk.tick()
    assert bench.links[-1].payloads("up/announce") == []
    bench.desk.tick()
    assert len(bench.links[-1].payloads("up/announce")) == 1
    assert refusals == []


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


def test_a_connection_on_which_nothing_is_ever_acknowledged_is_replaced(bench: Bench) -> None:
    bench.segment(3)
    bench.links[0].up()
    online = Message("fleet/v1/store/state", b'{"online": true}')
    for second in range(0, STUCK_US // S + 400, 10):
        bench.clock.now_us = second * S
        bench.desk.tick()
        assert len(bench.links) == 1, "a store that is away acknowledges nothing, and that is no fault of the line"
    bench.links[0].deliver(online)
    bench.desk.tick()
    bench.clock.now_us += S
    bench.desk.tick()
    assert len(bench.links) == 2 and bench.links[0].closed
    (fault,) = [entry for entry in bench.board.active() if entry["code"] == "mqtt-stalled"]
    assert "acknowledged" in fault["detail"]
    bench.links[1].up()
    bench.desk.tick()
    assert len(bench.links[1].payloads("up/announce")) == 1
    assert len(bench.links) == 2 and bench.board.active() == []


def test_what_has_a_successor_expires_at_the_broker_and_what_is_retained_does_not(bench: Bench) -> None:
    bench.segment(3)
    bench.links[0].up()
    bench.desk.tick()
    expiry = {message.topic.rpartition("/")[2]: message.expiry_s for message in bench.links[0].sent}
    assert expiry == {"announce": ANNOUNCE_EXPIRY_S, "status": None, "health": None}


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


def test_what_comes_down_goes_to_its_carrier_and_the_answer_is_published(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    properties = MessageProperties("fleet/v1/u1/up/eaten", b"c7", expiry_s=9)
    link.deliver(Message("fleet/v1/u1/down/basket", b'{"msg_id": "m1", "fruit": "pear"}', properties))
    bench.desk.tick()
    assert bench.basket.got == [({"msg_id": "m1", "fruit": "pear"}, properties)]
    (sent,) = [message for message in link.sent if message.topic == "fleet/v1/u1/up/eaten"]
    assert sent.retain and sent.correlation_data == b"c7"
    body = json.loads(sent.payload)
    assert body["in_reply_to"] == "m1" and body["msg_id"] != "m1" and "sent_at" in body


class ChattyCarrier:
    """Has something to say at every tick, as a unit does whose health changes."""

    suffix = "down/chat"

    def __init__(self, retain: bool) -> None:
        self._retain = retain
        self._said = 0

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        raise ValueError("talks only")

    def connected(self) -> None:
        return

    def tick(self, now_us: int) -> list[Answer]:
        del now_us
        self._said += 1
        return [Answer("up/chat", {"n": self._said}, retain=self._retain, expiry_s=600)]


@pytest.mark.parametrize("retain", [True, False])
def test_without_a_connection_answers_do_not_pile_up(bench: Bench, retain: bool) -> None:
    desk = bench.make_desk(ChattyCarrier(retain))
    link = bench.links[-1]
    for _ in range(1000):
        bench.clock.now_us += S // 2
        desk.tick()
    assert link.sent == [], "a connection that does not stand would keep every one of them"
    link.up()
    desk.tick()
    numbers = [body["n"] for body in link.payloads("up/chat")]
    assert numbers == ([1001] if retain else list(range(1002 - ANSWERS_HELD, 1002)))


def test_a_flood_waits_at_the_connection_and_loses_nothing(bench: Bench) -> None:
    """More than there is room for, from a thread as the connection's; the tick makes room."""
    done = threading.Event()

    def flood() -> None:
        for number in range(3 * MOST_WAITING):
            text = json.dumps({"msg_id": f"m{number}", "fruit": "pear"})
            bench.links[0].deliver(Message("fleet/v1/u1/down/basket", text.encode()))
        done.set()

    thread = threading.Thread(target=flood)
    thread.start()
    while not done.wait(0.01):
        bench.desk.tick()
    thread.join(10)
    bench.desk.tick()
    assert [value["msg_id"] for value, _ in bench.basket.got] == [f"m{number}" for number in range(3 * MOST_WAITING)]


def test_a_message_nobody_makes_room_for_is_not_taken(bench: Bench) -> None:
    message = Message("fleet/v1/u1/down/basket", b'{"msg_id": "m", "fruit": "pear"}')
    for _ in range(MOST_WAITING):
        bench.links[0].deliver(message)
    with pytest.raises(queue.Full):
        bench.links[0].deliver(message)
    bench.links[0].deliver(Disconnected(UplinkFault(MQTT_LOST, "")))
    bench.desk.tick()
    assert len(bench.basket.got) == MOST_WAITING and bench.board.active()


def test_an_answer_nobody_waits_for_any_more_is_not_sent(bench: Bench) -> None:
    desk = bench.make_desk(ChattyCarrier(retain=False))
    desk.tick()
    bench.clock.now_us += 600 * S
    bench.links[-1].up()
    desk.tick()
    assert [body["n"] for body in bench.links[-1].payloads("up/chat")] == [2]


def test_a_unit_listens_topic_by_topic(bench: Bench) -> None:
    assert subscriptions("u1", [bench.basket]) == (
        "fleet/v1/u1/down/ack",
        "fleet/v1/u1/down/receipt",
        "fleet/v1/u1/down/basket",
        "fleet/v1/store/state",
    )


def test_a_carrier_hears_of_every_new_connection(bench: Bench) -> None:
    bench.desk.tick()
    assert bench.basket.connections == 0
    for count in (1, 2):
        bench.links[0].up()
        bench.desk.tick()
        assert bench.basket.connections == count


def test_a_topic_without_a_carrier_is_left_alone(bench: Bench) -> None:
    bench.links[0].deliver(Message("fleet/v1/u1/down/later", b'{"msg_id": "m1", "fruit": "pear"}'))
    bench.desk.tick()
    assert bench.basket.got == [] and bench.board.recent() == []


def test_what_a_carrier_refuses_is_reported_without_a_word_of_it(bench: Bench) -> None:
    bench.links[0].deliver(Message("fleet/v1/u1/down/basket", b'{"msg_id": "m1", "name": "OUYANG"}'))
    bench.desk.tick()
    (fault,) = [entry for entry in bench.board.recent() if entry["code"] == "mqtt-message"]
    assert "no fruit" in fault["detail"] and "OUYANG" not in json.dumps(fault)
    assert bench.basket.got == []


def test_two_carriers_for_one_topic_are_a_mistake(bench: Bench) -> None:
    with pytest.raises(ValueError, match="two carriers"):
        bench.make_desk(bench.basket, BasketCarrier())


def test_when_the_agency_asks_the_status_does_not_wait_for_its_rhythm(bench: Bench) -> None:
    link = bench.links[0]
    link.up()
    bench.desk.tick()
    bench.desk.tick()
    assert len(link.payloads("up/status")) == 1
    bench.desk.report_now()
    bench.desk.tick()
    assert len(link.payloads("up/status")) == len(link.payloads("up/health")) == 2
    bench.desk.fetch_retained()
    assert link.fetched == 1
