"""Button edges and time to gestures, gestures to commands. Pure.

Starting is easy, stopping is harder, so that a recording is not ended by a brush against the sleeve; which gesture does
what is a table in the configuration, because agencies differ (``[controls]``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.config.models import Controls, Gesture
from recorder.session.machine import State

GestureKind: TypeAlias = Literal["press", "double", "hold"]
CommandName: TypeAlias = Literal["start", "stop", "mark"]


@dataclass(slots=True)
class _Button:
    down_us: int | None = None
    held: bool = False
    clicks: int = 0
    last_up_us: int | None = None


class GestureRecogniser:
    """Feed edges and ticks; get ``(button, kind)`` gestures.

    ``press`` is reported at release when no ``double`` is configured for that button in the current state, else after the
    double window; ``hold`` is reported while the button is still down, when its time is reached.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._buttons: dict[str, _Button] = {}

    def edge(self, button: str, pressed: bool, at_us: int, state: State) -> list[tuple[str, GestureKind]]:
        """One edge. Repeated edges of the same kind (bounce) change nothing."""
        b = self._buttons.setdefault(button, _Button())
        if pressed:
            if b.down_us is None:
                b.down_us, b.held = at_us, False
            return []
        if b.down_us is None:
            return []
        gestures = self.tick(at_us, state)
        b.down_us = None
        if b.held:
            b.clicks = 0
            return gestures
        b.clicks += 1
        b.last_up_us = at_us
        if not self._wants(button, "double", state):
            b.clicks = 0
            return [*gestures, (button, "press")]
        if b.clicks == 2:
            b.clicks = 0
            return [*gestures, (button, "double")]
        return gestures

    def tick(self, now_us: int, state: State) -> list[tuple[str, GestureKind]]:
        """Time passes: holds become due, single clicks of a double-click button are decided."""
        gestures: list[tuple[str, GestureKind]] = []
        for name, b in self._buttons.items():
            if b.down_us is not None and not b.held and now_us - b.down_us >= self._hold_us(name, state):
                b.held = True
                gestures.append((name, "hold"))
            window = round(self._controls.double_window_s * 1e6)
            if b.clicks == 1 and b.down_us is None and b.last_up_us is not None and now_us - b.last_up_us >= window:
                b.clicks = 0
                gestures.append((name, "press"))
        return gestures

    def command(self, button: str, kind: GestureKind, state: State) -> CommandName | None:
        """What a gesture means now: start only in standby, stop only while recording."""
        table: dict[CommandName, bool] = {
            "start": state is State.STANDBY,
            "stop": state is State.RECORDING,
            "mark": state is not State.STANDBY,
        }
        for name, allowed in table.items():
            gesture = getattr(self._controls, name)
            if allowed and gesture.button == button and gesture.kind == kind:
                return name
        return None

    def busy(self) -> bool:
        """True while a gesture may still become due by time alone (tick soon)."""
        return any(b.down_us is not None or b.clicks for b in self._buttons.values())

    def _wants(self, button: str, kind: GestureKind, state: State) -> bool:
        return self.command(button, kind, state) is not None

    def _hold_us(self, button: str, state: State) -> int:
        for name in ("start", "stop", "mark"):
            gesture: Gesture = getattr(self._controls, name)
            if gesture.kind == "hold" and gesture.button == button and self._wants(button, "hold", state):
                return round(gesture.hold_s * 1e6)
        return 1 << 62
