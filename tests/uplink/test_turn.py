"""Whose turn it is: words hold for as long as they say, silence never holds a unit back for good."""

from __future__ import annotations

from recorder.uplink.turn import MqttState, StoreState, Turn, TurnWord

S = 1_000_000
OFFERED = StoreState(online=True, grants=True)


def test_a_store_that_says_nothing_of_grants_holds_nobody_back() -> None:
    turn = Turn(300.0)
    assert turn.free(0)
    turn.store(StoreState(online=True, grants=False), 0, 0.5)
    assert turn.free(0)


def test_a_grant_lasts_as_long_as_it_says_and_then_the_next_is_waited_for() -> None:
    turn = Turn(300.0)
    turn.store(OFFERED, 0, 0.5)
    assert not turn.free(0)
    turn.told(TurnWord(120.0, 0.0), 10 * S, 0.0)
    assert turn.granted(10 * S) and turn.free(129 * S)
    assert not turn.free(130 * S)
    assert turn.free_from_us(130 * S) == (130 + 150) * S
    assert turn.free(280 * S)


def test_what_people_are_told() -> None:
    turn = Turn(300.0)
    assert turn.slot(0) == "none"
    turn.store(OFFERED, 0, 0.5)
    assert turn.slot(0) == "waiting"
    turn.told(TurnWord(120.0, 0.0), 0, 0.0)
    assert turn.slot(119 * S) == "granted"
    assert turn.slot(120 * S) == "waiting"
    assert turn.slot(120 * S + 300 * S) == "free"


def test_waiting_takes_a_grant_back_and_ends_by_itself() -> None:
    turn = Turn(300.0)
    turn.told(TurnWord(120.0, 0.0), 0, 0.0)
    turn.told(TurnWord(0.0, 600.0), 10 * S, 0.0)
    assert not turn.free(10 * S)
    assert not turn.free(609 * S)
    assert turn.free(610 * S)


def test_one_message_parks_nobody_for_longer_than_half_an_hour() -> None:
    turn = Turn(300.0)
    turn.told(TurnWord(0.0, 1e9), 0, 0.0)
    assert turn.free(1800 * S)
    turn.told(TurnWord(1e9, 0.0), 0, 0.0)
    assert not turn.granted(3600 * S)


def test_a_broker_that_is_gone_shortens_the_waiting_and_leaves_a_grant() -> None:
    turn = Turn(300.0)
    turn.told(TurnWord(0.0, 1800.0), 0, 0.0)
    turn.mqtt(MqttState(connected=False), 10 * S, 0.5)
    assert turn.free_from_us(10 * S) == 160 * S
    turn.told(TurnWord(120.0, 0.0), 200 * S, 0.0)
    turn.mqtt(MqttState(connected=False), 210 * S, 0.25)
    assert turn.free(319 * S)
    assert not turn.free(320 * S)
    assert turn.free_from_us(320 * S) == (320 + 75) * S


def test_a_store_that_went_offline_is_like_a_broker_that_is_gone() -> None:
    turn = Turn(300.0)
    turn.store(OFFERED, 0, 1.0)
    turn.store(StoreState(online=False, grants=True), 0, 0.1)
    assert turn.free_from_us(0) == 30 * S


def test_a_line_that_comes_and_goes_does_not_renew_the_waiting() -> None:
    turn = Turn(300.0)
    for second in range(0, 400, 10):
        turn.mqtt(MqttState(connected=True), second * S, 0.99)
        turn.store(OFFERED, second * S, 0.99)
    assert turn.free(400 * S)
