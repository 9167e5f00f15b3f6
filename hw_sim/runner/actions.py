"""Plays a scenario's script at its times and says what it does."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from hw_sim import scenario_actions as act
from hw_sim.agency.agency import Agency
from hw_sim.runner.acts import harm, officers, statement, surroundings
from hw_sim.runner.stage import Pause, Stage, Taking
from hw_sim.runner.unit_processes import UnitProcesses
from hw_sim.world import World

if TYPE_CHECKING:
    from hw_sim.runner.run import ScenarioRun

DO: Final[dict[type[act.Step], Callable[[Stage, Any], Taking | None]]] = {
    act.Press: officers.press,
    act.SetWorld: surroundings.set_world,
    act.Ramp: surroundings.ramp,
    act.Fault: surroundings.fault,
    act.Discharge: harm.discharge,
    act.Kill: harm.kill,
    act.PowerCut: harm.power_cut,
    act.SignIn: officers.sign_in,
    act.Say: surroundings.say,
    act.MakeSound: surroundings.make_sound,
    act.Assign: officers.assign,
    act.ShowCode: officers.show_code,
    act.Shift: officers.shift,
    act.Context: officers.context,
    act.MarkAs: officers.mark_as,
    act.Stop: officers.stop,
    act.Wait: officers.wait,
    act.Explain: officers.explain,
    act.Ctl: officers.ctl,
    act.SignStatement: statement.sign_statement,
    act.DeleteFile: harm.delete_file,
}

LOOK_S = 0.25
"""How often an awaited condition is looked at: reading the journal costs milliseconds the unit may need."""


class Actions:
    """Two timelines: the script, which a ``wait`` or an answer holds up, and moments that come when they come (steps of a
    ramp, buttons let go, a cell that runs empty)."""

    def __init__(self, run: ScenarioRun, world: World, unit: UnitProcesses, agency: Agency) -> None:
        self._run = run
        self._stage = Stage(run, world, unit, agency, self._now_s, self._later)
        self._script = deque(sorted(run.scenario.action, key=lambda action: action.at_s))
        self._order = itertools.count()
        self._moments: list[tuple[float, int, Callable[[], None]]] = []
        self._zero_us = 0
        self._held_up_s = 0.0
        self._taking: _Taking | None = None

    def play(self) -> None:
        """Until the script is through and ``duration_s`` over, or SIGINT."""
        self._zero_us = self._run.clock.boottime_us()
        while not self._run.stop.is_set():
            wait_s = self._step()
            if wait_s is None:
                return
            self._run.stop.wait(wait_s)

    def _step(self) -> float | None:
        """Do what is due; seconds until there may be more, None when all is done."""
        now_s = self._now_s()
        if self._moments and self._moments[0][0] <= now_s:
            heapq.heappop(self._moments)[2]()
            return 0.0
        next_s = self._moments[0][0] if self._moments else None
        if self._taking is not None:
            return self._go_on(self._taking, now_s, next_s)
        end_s = self._run.scenario.duration_s + self._held_up_s
        due_s = self._script[0].at_s + self._held_up_s if self._script else end_s
        if self._script and due_s <= now_s:
            self._begin(self._script.popleft())
            return 0.0
        if not self._script and due_s <= now_s and next_s is None:
            return None
        return max(
            0.0, min(time_s for time_s in (due_s if due_s > now_s else None, next_s) if time_s is not None) - now_s
        )

    def _begin(self, action: act.Action) -> None:
        text = action.say_en if self._run.language == "en" else action.say_zh
        now_s = self._now_s()
        self._run.say(f"[{now_s:6.1f} s] {text or action.do}")
        taking = DO[type(action)](self._stage, action)
        if taking is not None:
            self._taking = _Taking(taking, now_s)

    def _go_on(self, taking: _Taking, now_s: float, next_s: float | None) -> float:
        """Seconds until it is worth looking again."""
        if not taking.is_over(now_s, self._vain):
            soonest_s = min(taking.look_s(now_s), next_s if next_s is not None else now_s + LOOK_S)
            return max(0.0, soonest_s - now_s)
        if not taking.advance(self._now_s()):
            self._held_up_s += self._now_s() - taking.began_s
            self._taking = None
        return 0.0

    def _vain(self, what: str) -> None:
        self._run.notes.unmet.append(f"没有等到 waited in vain: {what}")
        self._run.say(f"          没有等到 waited in vain: {what}")

    def _now_s(self) -> float:
        return (self._run.clock.boottime_us() - self._zero_us) / 1e6

    def _later(self, delay_s: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._moments, (self._now_s() + delay_s, next(self._order), do))


class _Taking:
    """An action that takes its time, and what it waits for just now."""

    def __init__(self, steps: Taking, began_s: float) -> None:
        self.began_s = began_s
        self._steps = steps
        self._since_s = began_s
        self._hold: Any = Pause(0)

    def advance(self, now_s: float) -> bool:
        """On to its next step; False when there is none."""
        self._since_s = now_s
        self._hold = next(self._steps, None)
        return self._hold is not None

    def is_over(self, now_s: float, vain: Callable[[str], None]) -> bool:
        waited_s = now_s - self._since_s
        if isinstance(self._hold, Pause):
            return waited_s >= self._hold.seconds
        if self._hold.condition():
            return True
        if waited_s >= self._hold.timeout_s:
            vain(self._hold.what)
            return True
        return False

    def look_s(self, now_s: float) -> float:
        return self._since_s + self._hold.seconds if isinstance(self._hold, Pause) else now_s + LOOK_S
