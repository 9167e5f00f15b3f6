"""Weather, sounds, devices that fail: actions upon the world and the agency's network."""

from __future__ import annotations

from hw_sim.runner.stage import Stage
from hw_sim.scenario import clip_path
from hw_sim.scenario_actions import GAIN_DB, Fault, MakeSound, Ramp, Say, SetWorld

RAMP_STEP_S = 0.2


def set_world(stage: Stage, action: SetWorld) -> None:
    stage.world.set(action.key, action.value)


def ramp(stage: Stage, action: Ramp) -> None:
    start = stage.world.get(action.key)
    if isinstance(start, bool) or not isinstance(start, int | float):
        raise ValueError(f"ramp {action.key}: 不是数值 not a number: {start!r}")
    steps = max(1, round(action.over_s / RAMP_STEP_S))
    for step in range(1, steps + 1):
        _set_later(stage, step * action.over_s / steps, action.key, start + (action.to - start) * step / steps)


def _set_later(stage: Stage, delay_s: float, key: str, value: float) -> None:
    stage.later(delay_s, lambda: stage.world.set(key, value))


def fault(stage: Stage, action: Fault) -> None:
    if action.component == "network":
        stage.agency.network(action.mode)
    elif action.component != "store":
        stage.world.set(f"{action.component}.failure", action.mode)
    elif action.mode == "ok":
        stage.agency.start_store()
    else:
        stage.agency.kill_store()


def say(stage: Stage, action: Say) -> None:
    stage.world.play(clip_path(action.clip), GAIN_DB[action.who])


def make_sound(stage: Stage, action: MakeSound) -> None:
    stage.world.play(clip_path(action.clip), action.gain_db)
