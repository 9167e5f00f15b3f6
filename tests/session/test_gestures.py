from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.config.models import Controls
from recorder.session.gestures import CommandName, GestureRecogniser
from recorder.session.machine import State

MS = 1000
STANDBY, RECORDING, STOPPING = State.STANDBY, State.RECORDING, State.STOPPING


def controls(**changes: Any) -> Controls:
    values: dict[str, Any] = {
        "start": {"button": "record", "kind": "press", "hold_s": 1.5},
        "stop": {"button": "record", "kind": "hold", "hold_s": 1.5},
        "mark": {"button": "mark", "kind": "press", "hold_s": 1.5},
        "note": {"button": "mark", "kind": "hold", "hold_s": 1.5},
        "double_window_s": 0.5,
        "debounce_ms": 20,
    }
    return Controls.model_validate(values | changes)


class Hand:
    """Presses buttons; the state follows the commands as the machine's would."""

    def __init__(self, state: State = STANDBY, **changes: Any) -> None:
        self.recogniser = GestureRecogniser(controls(**changes))
        self.state = state
        self.now = 0
        self.commands: list[CommandName] = []

    def _took(self, commands: list[CommandName]) -> None:
        self.commands += commands
        for command in commands:
            self.state = {"start": RECORDING, "stop": STANDBY}.get(command, self.state)

    def edge(self, pressed: bool, button: str = "record") -> None:
        self._took(self.recogniser.edge(button, pressed, self.now, self.state))

    def wait(self, ms: int, step: int = 10) -> None:
        for _ in range(ms // step):
            self.now += step * MS
            self._took(self.recogniser.tick(self.now, self.state))

    def press(self, ms: int, button: str = "record") -> None:
        self.edge(True, button)
        self.wait(ms)
        self.edge(False, button)
        self.wait(100)


def test_a_press_starts_on_release() -> None:
    hand = Hand()
    hand.edge(True)
    hand.wait(200)
    assert hand.commands == []
    hand.edge(False)
    assert hand.commands == ["start"]


def test_a_short_press_does_not_stop_but_a_hold_does_while_still_down() -> None:
    hand = Hand(RECORDING)
    hand.press(1400)
    assert hand.commands == []
    hand.edge(True)
    hand.wait(1500)
    assert hand.commands == ["stop"]


def test_letting_go_after_the_hold_does_not_start_again() -> None:
    hand = Hand(RECORDING)
    hand.press(4000)
    assert hand.commands == ["stop"]
    assert hand.state is STANDBY


def test_nobody_has_to_hold_a_button_without_a_recording_so_a_long_press_starts_too() -> None:
    hand = Hand(STANDBY)
    hand.press(3000)
    assert hand.commands == ["start"]


def test_mark_in_standby_too_where_it_asks_to_watch_the_lens() -> None:
    for state, expected in ((STANDBY, ["mark"]), (State.OFF, []), (RECORDING, ["mark"]), (STOPPING, ["mark"])):
        hand = Hand(state)
        hand.press(100, "mark")
        assert hand.commands == expected


def test_a_long_press_of_the_mark_button_is_a_note_in_every_state_and_a_short_one_still_a_mark() -> None:
    for state in (STANDBY, RECORDING, STOPPING):
        hand = Hand(state)
        hand.edge(True, "mark")
        hand.wait(1600)
        assert hand.commands == ["note"], "while the button is still down"
        hand.edge(False, "mark")
        hand.wait(100)
        assert hand.commands == ["note"]
    hand = Hand(RECORDING)
    hand.press(300, "mark")
    assert hand.commands == ["mark"]


def test_a_start_in_the_post_event_time_counts() -> None:
    hand = Hand(STOPPING)
    hand.press(100)
    assert hand.commands == ["start"]


def test_double_acts_on_the_second_press_and_a_single_one_does_nothing() -> None:
    start = {"button": "record", "kind": "double", "hold_s": 1.5}
    hand = Hand(start=start)
    hand.press(100)
    hand.wait(1000)
    assert hand.commands == []
    hand.press(100)
    hand.edge(True)
    assert hand.commands == ["start"]
    hand.wait(3000)
    hand.edge(False)
    assert hand.commands == ["start"]


def test_two_presses_too_far_apart_are_no_double() -> None:
    hand = Hand(start={"button": "record", "kind": "double", "hold_s": 1.5})
    hand.press(100)
    hand.wait(500)
    hand.press(100)
    assert hand.commands == []


def test_press_and_double_on_one_button_wait_for_the_window() -> None:
    hand = Hand(
        RECORDING,
        stop={"button": "record", "kind": "double", "hold_s": 1.5},
        mark={"button": "record", "kind": "press", "hold_s": 1.5},
    )
    hand.press(100)
    assert hand.commands == []
    hand.wait(500)
    assert hand.commands == ["mark"]
    hand.press(100)
    hand.press(100)
    assert hand.commands == ["mark", "stop"]


def test_one_button_as_a_toggle() -> None:
    hand = Hand(stop={"button": "record", "kind": "press", "hold_s": 1.5})
    hand.press(100)
    hand.press(100)
    hand.press(100)
    assert hand.commands == ["start", "stop", "start"]


def test_bouncing_contacts_are_one_press() -> None:
    hand = Hand()
    for pressed in (True, False, True, False, True):
        hand.edge(pressed)
        hand.now += 2 * MS
    hand.wait(200)
    for pressed in (False, True, False, True, False):
        hand.edge(pressed)
        hand.now += 2 * MS
    hand.wait(200)
    assert hand.commands == ["start"]


def test_a_tap_shorter_than_the_debounce_time_is_not_a_button_held_for_ever() -> None:
    hand = Hand(RECORDING)
    hand.edge(True)
    hand.now += 5 * MS
    hand.edge(False)
    hand.wait(5000)
    assert hand.commands == []


def test_a_hold_is_found_even_when_no_tick_came_before_the_release() -> None:
    hand = Hand(RECORDING)
    hand.edge(True)
    hand.now += 1600 * MS
    hand.edge(False)
    assert hand.commands == ["stop"]


def test_the_deadline_is_when_the_hold_is_due() -> None:
    hand = Hand(RECORDING)
    assert hand.recogniser.next_deadline_us(RECORDING) is None
    hand.now = 7 * MS
    hand.edge(True)
    assert hand.recogniser.next_deadline_us(RECORDING) == 1507 * MS
    assert hand.recogniser.next_deadline_us(STANDBY) is None


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 2500)), max_size=40))
def test_whatever_the_hand_does_each_press_gives_at_most_one_command(steps: list[tuple[bool, int]]) -> None:
    hand = Hand()
    presses = 0
    down = False
    for pressed, ms in steps:
        if pressed and not down:
            presses += 1
        down = pressed
        hand.edge(pressed)
        hand.wait(ms - ms % 10)
    hand.edge(False)
    hand.wait(1000)
    assert len(hand.commands) <= presses
    # Start and stop take turns: no command is given in a state in which it means nothing.
    assert hand.commands == [("start", "stop")[i % 2] for i in range(len(hand.commands))]
