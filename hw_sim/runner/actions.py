"""Plays a scenario's actions at their times and says what it does."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from hw_sim.agency.agency import Agency
from hw_sim.devices.battery import Cell
from hw_sim.runner.result import Kill as KillFact
from hw_sim.runner.unit_processes import UnitProcesses
from hw_sim.scenario import (
    GAIN_DB,
    Action,
    Assign,
    Context,
    Discharge,
    Fault,
    Kill,
    MakeSound,
    MarkAs,
    PowerCut,
    Press,
    Ramp,
    Say,
    SetWorld,
    Shift,
    ShowCode,
    SignIn,
    Stop,
    clip_path,
)
from hw_sim.world import World

if TYPE_CHECKING:
    from hw_sim.runner.run import ScenarioRun

RAMP_STEP_S = 0.2


class Actions:
    """A timeline: (time, what). Ramps and releases of buttons put further moments onto it."""

    def __init__(self, run: ScenarioRun, world: World, unit: UnitProcesses, agency: Agency) -> None:
        self._run = run
        self._world = world
        self._unit = unit
        self._agency = agency
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._zero_us = 0

    def play(self) -> None:
        """Until ``duration_s`` is over or SIGINT."""
        self._zero_us = self._run.clock.boottime_us()
        for action in self._run.scenario.action:
            self._at(action.at_s, self._bind(action))
        self._at(self._run.scenario.duration_s, lambda: None)
        while self._queue and not self._run.stop.is_set():
            at_s, _, act = heapq.heappop(self._queue)
            self._run.stop.wait(max(0.0, at_s - self._now_s()))
            if not self._run.stop.is_set():
                act()

    def _now_s(self) -> float:
        return (self._run.clock.boottime_us() - self._zero_us) / 1e6

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._queue, (at_s, next(self._order), act))

    def _bind(self, action: Action) -> Callable[[], None]:
        return lambda: self._act(action)

    def _act(self, action: Action) -> None:
        text = action.say_en if self._run.language == "en" else action.say_zh
        self._run.say(f"[{self._now_s():6.1f} s] {text or action.do}")
        if isinstance(action, Press):
            self._world.set(f"button.{action.button}", True)
            self._at(self._now_s() + action.hold_s, lambda: self._world.set(f"button.{action.button}", False))
        elif isinstance(action, SetWorld):
            self._world.set(action.key, action.value)
        elif isinstance(action, Ramp):
            self._ramp(action)
        elif isinstance(action, Fault):
            self._fault(action)
        elif isinstance(action, Discharge):
            self._world.set("external_power", False)
            resistance_ohm = action.resistance_mohm / 1000
            cell = Cell(action.capacity_mah, resistance_ohm, action.percent / 100, noise_v=0.003, load_noise=0.1)
            self._discharge(cell, action, self._now_s())
        elif isinstance(action, Kill):
            self._kill(action)
        elif isinstance(action, PowerCut):
            self._power_cut(action.off_s)
        elif isinstance(action, Say):
            self._world.play(clip_path(action.clip), GAIN_DB[action.who])
        elif isinstance(action, MakeSound):
            self._world.play(clip_path(action.clip), action.gain_db)
        elif isinstance(action, SignIn):
            self._unit.control("sign-in", "--name", action.name, "--cert-no", action.cert_no)

        elif isinstance(action, Assign):
            answer = self._agency.assign(self._run.unit_id, action.name, action.cert_no)
            self._run.say(f"          {answer.get('result')} {answer.get('code', '')}".rstrip())
        elif isinstance(action, ShowCode):
            code = self._agency.authority.assignment(self._run.unit_id, action.name, action.cert_no)
            self._world.set("camera.qr", code)
            self._at(self._now_s() + action.for_s, lambda: self._world.set("camera.qr", ""))
        else:
            self._command(action)

    def _command(self, action: Action) -> None:
        """What an officer says through ``recorder ctl``."""
        if isinstance(action, Shift):
            self._unit.control("shift", action.action)
        elif isinstance(action, MarkAs):
            self._unit.control("mark", "--kind", action.kind)
        elif isinstance(action, Stop):
            self._unit.control("stop", *(("--reason", action.reason) if action.reason else ()))
        elif isinstance(action, Context):
            options: list[str] = []
            for name in ("mode", "stage", "kind", "item", "entrusting_agency"):
                if value := getattr(action, name):
                    options += [f"--{name.replace('_', '-')}", value]
            for document in action.documents:
                options += ["--document", document]
            self._unit.control("context", *options)

    def _ramp(self, action: Ramp) -> None:
        start = self._world.get(action.key)
        if isinstance(start, bool) or not isinstance(start, int | float):
            raise ValueError(f"ramp {action.key}: 不是数值 not a number: {start!r}")
        steps = max(1, round(action.over_s / RAMP_STEP_S))
        begin = self._now_s()
        for step in range(1, steps + 1):
            value = start + (action.to - start) * step / steps
            self._at(begin + step * action.over_s / steps, self._setter(action.key, value))

    def _setter(self, key: str, value: float) -> Callable[[], None]:
        return lambda: self._world.set(key, value)

    def _fault(self, action: Fault) -> None:
        if action.component == "network":
            self._agency.network("ok" if action.mode == "ok" else action.mode)
        elif action.component == "store":
            if action.mode == "ok":
                self._agency.start_store()
            else:
                self._agency.kill_store()
        else:
            self._world.set(f"{action.component}.failure", action.mode)

    def _kill(self, action: Kill) -> None:
        self._note(action.process)
        if action.process in ("unit", "worker", "uplink"):
            self._unit.kill(action.process)
            if action.process == "unit" and action.restart:
                self._unit.start_unit()
            if action.process == "uplink" and action.restart:
                self._unit.start_uplink()
        elif action.process == "store":
            self._agency.kill_store()
            if action.restart:
                self._agency.start_store()
        else:
            self._agency.kill_broker()
            if action.restart:
                self._agency.start_broker()

    def _discharge(self, cell: Cell, action: Discharge, before_s: float) -> None:
        now_s = self._now_s()
        cell.draw(action.load_ma, now_s - before_s)
        if cell.empty:
            self._power_cut(action.off_s, external=True)
            return
        self._world.set("battery_percent", cell.percent())
        self._world.set("battery_voltage_v", max(0.0, cell.voltage_v()))
        self._at(now_s + RAMP_STEP_S, lambda: self._discharge(cell, action, now_s))

    def _power_cut(self, off_s: float, *, external: bool = False) -> None:
        self._note("all")
        self._unit.power_cut()
        self._run.stop.wait(off_s)
        if external:
            self._world.set("external_power", True)
        self._world.new_boot()
        self._unit.start_unit()
        self._unit.start_uplink()

    def _note(self, process: str) -> None:
        clock = self._world.clock
        self._run.kills.append(KillFact(process=process, boot=clock.boot_id(), at_us=clock.boottime_us()))
