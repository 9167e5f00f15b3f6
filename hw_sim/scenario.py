"""Scenario files: a shift as TOML, with timed actions on buttons, world and faults, and expectations checked at the end.

Times are seconds after the unit reported ready; what a ``wait`` or an officer's answer takes is not counted.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw_sim.runner.media import MEDIA
from hw_sim.scenario_actions import Action, Explain, MakeSound, Ramp, Say, SetWorld
from hw_sim.soundscape import length_us
from hw_sim.world_keys import checked, initial_state

SCENARIOS = Path(__file__).with_name("scenarios")


class ScenarioError(Exception):
    """The scenario cannot be used; the message names file and key."""


class Expectation(BaseModel):
    """A comparison on a field of ``result.json`` (dotted path; ``len:`` before it takes the length of a list)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    op: Literal["==", "!=", ">=", "<=", ">", "<"]
    value: Any
    why: str = ""


class Scenario(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title_zh: str
    title_en: str
    duration_s: Annotated[float, Field(gt=0, le=24 * 3600)]
    about_s: Annotated[float, Field(gt=0)] | None = None
    """Wall time of all of it, for whoever waits, where the script's own times do not tell."""
    drain_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    media: dict[Literal["camera", "microphone", "gnss"], str] = {}
    world: dict[str, str | float | int | bool] = {}
    unit: dict[str, Any] = {}
    action: tuple[Action, ...]
    expect: tuple[Expectation, ...]

    @property
    def expected_s(self) -> float:
        return self.about_s or self.duration_s + 15

    @model_validator(mode="after")
    def _knows_its_world(self) -> Self:
        """Keys and values of the world, and the shipped media, before anything is started."""
        initial_state(self.world)
        for action in self.action:
            if isinstance(action, SetWorld):
                checked(action.key, action.value)
            elif isinstance(action, Ramp):
                checked(action.key, action.to)
            elif isinstance(action, Say | MakeSound | Explain):
                length_us(clip_path(action.clip))
        for device, name in self.media.items():
            if not (MEDIA / name).is_file():
                raise ValueError(f"media.{device} = {name!r}: 没有这个素材 no such media in {MEDIA}")
        return self


def clip_path(clip: str) -> Path:
    """A clip of hw_sim/media by its name, or any file by its path."""
    path = Path(clip)
    return path if path.is_absolute() else MEDIA / path


def load_scenario(name_or_path: str) -> Scenario:
    """A shipped scenario by name, or any file by path. Raises ScenarioError."""
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SCENARIOS / f"{name_or_path}.toml"
    if not path.is_file():
        folders = (SCENARIOS, SCENARIOS.with_name("stories"))
        known = ", ".join(sorted(file.stem for folder in folders for file in folder.glob("*.toml")))
        raise ScenarioError(f"{path}: 没有这个场景 no such scenario. 可用 available: {known}")
    try:
        return Scenario.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: 无法读取 cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: TOML 语法错误 TOML syntax error: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ScenarioError(f"{path}: 场景无效 invalid scenario:\n  " + "\n  ".join(lines)) from error


_COMPARE = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
}


def evaluate(expectation: Expectation, result: dict[str, Any]) -> tuple[bool, Any]:
    """(met, actual value). A field that is not there is an unmet expectation, never an error that hides the others."""
    path = expectation.field
    count = path.startswith("len:")
    value: Any = result
    for part in path.removeprefix("len:").split("."):
        if not isinstance(value, dict) or part not in value:
            return False, None
        value = value[part]
    try:
        if count:
            value = len(value)
        return bool(_COMPARE[expectation.op](value, expectation.value)), value
    except TypeError:
        return False, value
