"""Button edges and time to gestures, gestures to commands. Pure.

Starting is easy, stopping is harder, so that a recording is not ended by a brush against the sleeve; which gesture does
what is a table in the configuration, because agencies differ (``[controls]``). Start and stop may share a button.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.config.models import Controls, Gesture
from recorder.session.machine import State

GestureKind: TypeAlias = Literal["press", "double", "hold"]
CommandName: TypeAlias = Literal["start", "stop", "mark", "note"]

_WHEN: dict[CommandName, tuple[State, ...]] = {
    # A start during the post-event time is no mistake: the officer has found something new.
    "start": (State.STANDBY, State.STOPPING),
    "stop": (State.RECORDING,),
    # In standby there is nothing to mark: it asks to watch the lens for an officer's QR code.
    "mark": (State.STANDBY, State.RECORDING, State.STOPPING),
    # In standby too, so that the officer is told that nothing would hold the note.
    "note": (State.STANDBY, State.RECORDING, State.STOPPING),
}


@dataclass(slots=True)
class _Button:
    """``pressed`` is the debounced level, ``raw`` the newest edge, ``settled_us`` when the level last changed."""

    pressed: bool = False
    raw: bool = False
    settled_us: int = -(1 << 62)
    down_us: int = 0
    spent: bool = False
    click_us: int | None = None


class GestureRecogniser:
    """Feed edges and ticks with the session's present state; get the commands they mean.

    ``hold`` acts while the button is still down, as soon as its time is reached; ``double`` on the second press;
    ``press`` on release, after the double window when that button also has a ``double``. A gesture that means nothing in
    the present state is not waited for: without a recording nobody has to hold anything, so a long press starts as well
    as a short one. One press gives one command: holding to stop and letting go does not start again.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._debounce_us = controls.debounce_ms * 1000
        self._window_us = round(controls.double_window_s * 1e6)
        self._buttons: dict[str, _Button] = {}

    def edge(self, button: str, pressed: bool, at_us: int, state: State) -> list[CommandName]:
        """One edge of ``button``. The first edge acts at once; what bounces behind it is judged when it has settled."""
        commands = self.tick(at_us, state)
        b = self._buttons.setdefault(button, _Button())
        b.raw = pressed
        return commands + self._settle(button, b, at_us, state)

    def tick(self, now_us: int, state: State) -> list[CommandName]:
        """Time passes: bounces settle, holds become due, a click that stayed alone becomes a press."""
        commands: list[CommandName] = []
        for name, b in self._buttons.items():
            commands += self._settle(name, b, now_us, state)
            hold = self._gesture(name, "hold", state)
            if b.pressed and not b.spent and hold is not None and now_us - b.down_us >= _hold_us(hold):
                b.spent = True
                commands += self._command(name, "hold", state)
            if b.click_us is not None and not b.pressed and now_us - b.click_us >= self._window_us:
                b.click_us = None
                commands += self._command(name, "press", state)
        return commands

    def next_deadline_us(self, state: State) -> int | None:
        """When time alone may complete a gesture; None while no button is in the middle of one."""
        times: list[int] = []
        for name, b in self._buttons.items():
            if b.raw != b.pressed:
                times.append(b.settled_us + self._debounce_us)
            hold = self._gesture(name, "hold", state)
            if b.pressed and not b.spent and hold is not None:
                times.append(b.down_us + _hold_us(hold))
            if b.click_us is not None and not b.pressed:
                times.append(b.click_us + self._window_us)
        return min(times, default=None)

    def _settle(self, name: str, b: _Button, now_us: int, state: State) -> list[CommandName]:
        """Let the debounced level follow the raw one, at most once each debounce time."""
        if b.raw == b.pressed or now_us - b.settled_us < self._debounce_us:
            return []
        b.pressed, b.settled_us = b.raw, now_us
        return self._down(name, b, now_us, state) if b.pressed else self._up(name, b, now_us, state)

    def _down(self, name: str, b: _Button, at_us: int, state: State) -> list[CommandName]:
        b.down_us, b.spent = at_us, False
        if b.click_us is None:
            return []
        b.click_us, b.spent = None, True
        return self._command(name, "double", state)

    def _up(self, name: str, b: _Button, at_us: int, state: State) -> list[CommandName]:
        if b.spent:
            return []
        hold = self._gesture(name, "hold", state)
        if hold is not None and at_us - b.down_us >= _hold_us(hold):
            # Release and deadline came in the same breath, the tick between them did not.
            return self._command(name, "hold", state)
        if self._gesture(name, "double", state) is not None:
            b.click_us = at_us
            return []
        return self._command(name, "press", state)

    def _gesture(self, button: str, kind: GestureKind, state: State) -> Gesture | None:
        """The configured gesture of this kind that means something now."""
        for name, states in _WHEN.items():
            gesture = self._of(name)
            if state in states and gesture.button == button and gesture.kind == kind:
                return gesture
        return None

    def _command(self, button: str, kind: GestureKind, state: State) -> list[CommandName]:
        return [
            name
            for name, states in _WHEN.items()
            if state in states and (self._of(name).button, self._of(name).kind) == (button, kind)
        ][:1]

    def _of(self, name: CommandName) -> Gesture:
        controls = self._controls
        return {"start": controls.start, "stop": controls.stop, "mark": controls.mark, "note": controls.note}[name]


def _hold_us(gesture: Gesture) -> int:
    return round(gesture.hold_s * 1e6)
