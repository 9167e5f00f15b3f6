"""The officer: signs in, presses, marks, holds to stop, and looks at the light to see whether it worked."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hw_sim.deterministic.timeline import SECOND, Timeline
from hw_sim.deterministic.trace import Trace
from hw_sim.deterministic.truth import Truth
from hw_sim.deterministic.unit import UnitLife
from recorder.session.machine import State
from recorder.unit.events import ButtonEdge, ControlRequest

PEOPLE = (("李建国", "H03-110-0042"), ("王秀英", "H03-110-0077"), ("赵铁柱", "H03-110-0113"))
"""Names and 执法证号 of nobody."""

HOLD_US = 1_900_000
ANSWER_US = 1_200_000
SPEAK_US = 11 * SECOND


@dataclass(slots=True)
class Officer:
    """``unit``: the living unit process, if there is one. ``wanted_since``: a recording is wanted since then."""

    timeline: Timeline
    rnd: random.Random
    truth: Truth
    trace: Trace
    unit: Callable[[], UnitLife | None]
    hears: Callable[[int, float], None]
    """Every microphone hears somebody who has spoken since then, so loud (dBFS)."""
    card_is_well: Callable[[], bool]
    """While the card refuses or is slow the unit process waits for it, and a press waits with it."""
    shortest_us: int = 15 * SECOND
    longest_us: int = 200 * SECOND
    wanted_since: int | None = None
    off_duty: bool = False
    stopping: bool = False
    _signed_in: set[str] = field(default_factory=set)

    def begin(self) -> None:
        self.timeline.after(self.rnd.randint(2 * SECOND, 40 * SECOND), self._idle)
        self.timeline.after(SPEAK_US, self._maybe_speak)
        if self.rnd.random() < 0.35:
            self.timeline.after(self.rnd.randint(SECOND, 90 * SECOND), self._sign_in)

    # --- signing in --------------------------------------------------------------------------------------------------

    def _sign_in(self) -> None:
        name, cert_no = self.rnd.choice(PEOPLE)
        out = cert_no in self._signed_in and self.rnd.random() < 0.5
        unit = self.unit()
        if unit is not None:
            self.truth.names = [word for person in PEOPLE for word in person]
            message = (
                {"cmd": "sign-out", "cert_no": cert_no} if out else {"cmd": "sign-in", "name": name, "cert_no": cert_no}
            )
            unit.events.put(ControlRequest(message, lambda answer: None))
            (self._signed_in.discard if out else self._signed_in.add)(cert_no)
            self.trace.say("officer", str(message["cmd"]), cert_no=cert_no)
        self.timeline.after(self.rnd.randint(60 * SECOND, 900 * SECOND), self._sign_in)

    # --- answering ---------------------------------------------------------------------------------------------------

    def _maybe_speak(self) -> None:
        """Half of the time an officer who is asked for a reason gives it, and mostly presses mark after it; now and then
        somebody talks without being asked."""
        unit = self.unit()
        recording = unit is not None and unit.process.p.machine.state is State.RECORDING
        asked = recording and unit is not None and unit.index.unexplained_gaps() > 0
        if recording and self.rnd.random() < (0.5 if asked else 0.05):
            begin, length = self.timeline.now_us, self.rnd.randint(SECOND, 8 * SECOND)
            self.trace.say("officer", "speaks", seconds=length / SECOND, asked=asked)
            self.timeline.after(length, lambda: self._spoken(begin))
        self.timeline.after(SPEAK_US, self._maybe_speak)

    def _spoken(self, begin_us: int) -> None:
        self.truth.speech.append((begin_us, self.timeline.now_us))
        self.hears(begin_us, -22.0)
        if self.rnd.random() < 0.7:
            self.timeline.after(self.rnd.randint(SECOND // 2, 4 * SECOND), self._mark)

    # --- recording ---------------------------------------------------------------------------------------------------

    def _idle(self) -> None:
        unit = self.unit()
        if self.off_duty:
            return
        if unit is None or unit.process.p.machine.state is not State.STANDBY:
            if unit is not None and unit.process.p.machine.state is State.RECORDING and self.wanted_since is None:
                self.want()
                self._busy()
                return
            self.timeline.after(self.rnd.randint(SECOND, 5 * SECOND), self._idle)
            return
        self._press("record", 150_000)
        self.trace.say("officer", "presses record")
        self.timeline.after(ANSWER_US, lambda: self._pressed(unit))

    def _pressed(self, unit: UnitLife) -> None:
        if not unit.life.alive:
            self.timeline.after(SECOND, self._idle)
            return
        if unit.process.p.machine.state is State.STANDBY:
            if self.card_is_well():
                self.truth.internal.append("a press of the button was not answered")
            self.timeline.after(SECOND, self._idle)
            return
        self.want()
        self._busy()

    def want(self) -> None:
        if self.wanted_since is None:
            self.wanted_since = self.timeline.now_us

    def had_enough(self) -> None:
        """From here on nobody expects a recording."""
        if self.wanted_since is not None:
            self.truth.wanted.append((self.wanted_since, self.timeline.now_us))
            self.wanted_since = None

    def _busy(self) -> None:
        for _ in range(self.rnd.randint(0, 3)):
            self.timeline.after(self.rnd.randint(SECOND, self.longest_us), self._mark)
        self.timeline.after(self.rnd.randint(self.shortest_us, self.longest_us), self.stop)

    def _mark(self) -> None:
        unit = self.unit()
        if unit is not None and unit.process.p.machine.state is State.RECORDING:
            self._press("mark", 120_000)
            self.trace.say("officer", "presses mark")

    def stop(self) -> None:
        """Hold the button; look afterwards."""
        unit = self.unit()
        if unit is None:
            self.timeline.after(2 * SECOND, self.stop)
            return
        if unit.process.p.machine.state is not State.RECORDING:
            self.had_enough()
            self.timeline.after(self.rnd.randint(SECOND, 60 * SECOND), self._idle)
            return
        self.had_enough()
        self._press("record", HOLD_US)
        self.trace.say("officer", "holds record to stop")
        self.timeline.after(HOLD_US + SECOND, self._stopped)

    def _stopped(self) -> None:
        unit = self.unit()
        if unit is None or unit.process.p.machine.state is State.RECORDING:
            self.want()  # it did not work, and what goes on is still wanted
            self.timeline.after(self.rnd.randint(SECOND, 4 * SECOND), self.stop)
            return
        self.timeline.after(self.rnd.randint(SECOND, 90 * SECOND), self._idle)

    # --- the hand ----------------------------------------------------------------------------------------------------

    def _press(self, button: str, length_us: int) -> None:
        """Edges as a real button gives them, now and then with a bounce."""
        self._edge(button, True)
        if self.rnd.random() < 0.3:
            self.timeline.after(3_000, lambda: self._edge(button, False))
            self.timeline.after(6_000, lambda: self._edge(button, True))
        self.timeline.after(length_us, lambda: self._edge(button, False))

    def _edge(self, button: str, pressed: bool) -> None:
        unit = self.unit()
        if unit is not None:
            unit.events.put(ButtonEdge(button, pressed, unit.clock.boottime_us()))
