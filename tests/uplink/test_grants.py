"""``down/grant`` reaches the queue as what it says, and a backlog that changed in kind reaches whoever grants."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.uplink.grants import GrantCarrier
from recorder.uplink.mqtt import MessageProperties
from recorder.uplink.turn import MqttState, StoreState, TurnWord

S = 1_000_000
NONE = MessageProperties()


class Bench:
    def __init__(self) -> None:
        self.told: list[object] = []
        self.linked = True
        self.backlog: dict[str, Any] = {"segments": 3, "bytes": 90, "marked": 0, "earliest_deadline": 500.0}
        self.carrier = GrantCarrier(self.told.append, lambda: {"backlog": dict(self.backlog)}, lambda: self.linked)
        self.carrier.tick(0)
        self.told.clear()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_words_and_store_states_are_passed_on(bench: Bench) -> None:
    bench.carrier.arrived({"msg_id": "m", "for_s": 120, "wait_s": 0}, NONE)
    bench.carrier.arrived({"msg_id": "m", "wait_s": 600.5}, NONE)
    bench.carrier.store_state({"online": True, "grants": True})
    bench.carrier.store_state({"online": True})
    bench.carrier.store_state({"online": False, "grants": "yes"})
    assert bench.told == [
        TurnWord(120.0, 0.0),
        TurnWord(0.0, 600.5),
        StoreState(online=True, grants=True),
        StoreState(online=True, grants=False),
        StoreState(online=False, grants=False),
    ]


@pytest.mark.parametrize("value", [{"for_s": -1}, {"for_s": "5"}, {"for_s": True}, {"wait_s": float("inf")}])
def test_what_is_no_time_is_refused(bench: Bench, value: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="seconds"):
        bench.carrier.arrived(value, NONE)
    assert bench.told == []


def test_a_lost_and_a_new_connection_are_told_once_each(bench: Bench) -> None:
    bench.linked = False
    bench.carrier.tick(S)
    bench.carrier.tick(2 * S)
    bench.linked = True
    bench.carrier.tick(3 * S)
    bench.carrier.tick(4 * S)
    assert bench.told == [MqttState(False), MqttState(True)]


def test_a_backlog_that_changed_in_kind_is_told_at_once_but_not_more_often_than_every_five_seconds(
    bench: Bench,
) -> None:
    bench.backlog["segments"], bench.backlog["bytes"] = 2, 60
    assert bench.carrier.tick(6 * S) == [], "one segment less of the same kind is told by the usual status"
    bench.backlog["marked"] = 1
    (answer,) = bench.carrier.tick(7 * S)
    assert (answer.suffix, answer.retain) == ("up/status", True)
    assert answer.members == {"online": True, "backlog": bench.backlog}
    bench.backlog["earliest_deadline"] = 400.0
    assert bench.carrier.tick(8 * S) == []
    assert len(bench.carrier.tick(12 * S)) == 1
    bench.backlog.update(segments=0, earliest_deadline=None, marked=0)
    assert len(bench.carrier.tick(20 * S)) == 1
    assert bench.carrier.tick(30 * S) == []


def test_nothing_is_published_without_a_connection_and_the_desk_says_the_first_status(bench: Bench) -> None:
    bench.linked = False
    bench.backlog["marked"] = 1
    assert bench.carrier.tick(S) == []
    bench.linked = True
    bench.carrier.connected()
    assert bench.carrier.tick(7 * S) == []
    bench.backlog["marked"] = 2
    assert len(bench.carrier.tick(14 * S)) == 1
