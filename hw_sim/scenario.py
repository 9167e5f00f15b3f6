"""Scenario files: a shift as TOML, with timed actions on buttons, world and faults, and expectations checked at the end.

Times are seconds after the unit reported ready. Faults follow one verb, ``fault COMPONENT MODE``, as PX4 does it, so that
scenario files, the panel and tests say the same words.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw_sim.runner.media import MEDIA
from hw_sim.soundscape import length_us
from hw_sim.world_keys import checked, initial_state

SCENARIOS = Path(__file__).with_name("scenarios")

Process = Literal["unit", "worker", "uplink", "store", "broker"]


class ScenarioError(Exception):
    """The scenario cannot be used; the message names file and key."""


class Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at_s: Annotated[float, Field(ge=0)]
    say_zh: str = ""
    say_en: str = ""


class Press(Step):
    """Hold a button down for ``hold_s``."""

    do: Literal["press"]
    button: Literal["record", "mark"]
    hold_s: Annotated[float, Field(gt=0, le=10)] = 0.15


class SetWorld(Step):
    """Set one key of the world (docs/simulator-protocol.md)."""

    do: Literal["set"]
    key: str
    value: str | float | int | bool


class Ramp(Step):
    """Move a number of the world from what it is to ``to`` over ``over_s``, in steps of 0.2 s."""

    do: Literal["ramp"]
    key: str
    to: float
    over_s: Annotated[float, Field(gt=0)]


class Fault(Step):
    """``component``: network and store (ok, off, stuck), else what has a ``COMPONENT.failure`` in the world, with its
    words: ``fault camera off`` unplugs it, ``ok`` plugs it in again; ``fault card read-only``; ``fault gnss jump``."""

    do: Literal["fault"]
    component: Literal["camera", "microphone", "light", "gnss", "card", "worker", "network", "store"]
    mode: str

    @model_validator(mode="after")
    def _component_can_fail_so(self) -> Self:
        if self.component not in ("network", "store"):
            checked(f"{self.component}.failure", self.mode)
        elif self.mode not in ("ok", "off", "stuck"):
            raise ValueError(f"{self.component}: ok, off, stuck")
        return self


class Discharge(Step):
    """The unit runs on a cell of ``capacity_mah`` that is ``percent`` full, drawing ``load_ma``, until it goes off by
    itself: then it is dark for ``off_s`` and starts again on external power."""

    do: Literal["discharge"]
    capacity_mah: Annotated[float, Field(gt=0, le=100_000)]
    load_ma: Annotated[float, Field(gt=0, le=10_000)]
    percent: Annotated[float, Field(ge=0, le=100)]
    resistance_mohm: Annotated[float, Field(ge=0, le=1000)] = 100
    off_s: Annotated[float, Field(ge=0.1, le=60)] = 2.0


class Kill(Step):
    """SIGKILL. ``restart``: start it again at once (the worker is restarted by the unit itself)."""

    do: Literal["kill"]
    process: Process
    restart: bool = True


class PowerCut(Step):
    """Every process of the unit dies at the same moment; a new boot begins after ``off_s``."""

    do: Literal["power-cut"]
    off_s: Annotated[float, Field(ge=0.1, le=60)]


class SignIn(Step):
    """An officer signs in through ``recorder ctl sign-in`` (names here are invented)."""

    do: Literal["sign-in"]
    name: str
    cert_no: str


class Say(Step):
    """Somebody speaks: an officer, who wears the microphone, or a bystander, who stands 24 dB farther off. ``clip``: a WAV
    of hw_sim/media or a path."""

    do: Literal["say"]
    who: Literal["officer", "bystander"]
    clip: str


class MakeSound(Step):
    """Anything else is heard: a WAV of hw_sim/media or a path, at ``gain_db``."""

    do: Literal["sound"]
    clip: str
    gain_db: Annotated[float, Field(ge=-80, le=20)] = 0.0


GAIN_DB: dict[str, float] = {"officer": 0.0, "bystander": -24.0}


class Assign(Step):
    """The agency's duty desk assigns an officer over MQTT, signed (docs/wire.md)."""

    do: Literal["assign"]
    name: str
    cert_no: str


class ShowCode(Step):
    """An officer holds a QR code with a signed assignment before the lens for ``for_s``."""

    do: Literal["show-code"]
    name: str
    cert_no: str
    for_s: Annotated[float, Field(gt=0, le=60)] = 4.0


class Shift(Step):
    """``recorder ctl shift start|end``."""

    do: Literal["shift"]
    action: Literal["start", "end"]


class Context(Step):
    """``recorder ctl context``: matter, stage and mode of the running session or of the next one."""

    do: Literal["context"]
    mode: str = ""
    stage: str = ""
    kind: str = ""
    item: str = ""
    entrusting_agency: str = ""
    documents: tuple[str, ...] = ()


class MarkAs(Step):
    """``recorder ctl mark --kind``."""

    do: Literal["mark"]
    kind: str


class Stop(Step):
    """``recorder ctl stop``, with a reason where the mode asks for one."""

    do: Literal["stop"]
    reason: str = ""


Action = Annotated[
    Press
    | SetWorld
    | Ramp
    | Fault
    | Discharge
    | Kill
    | PowerCut
    | SignIn
    | Say
    | MakeSound
    | Assign
    | ShowCode
    | Shift
    | Context
    | MarkAs
    | Stop,
    Field(discriminator="do"),
]


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
    drain_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    media: dict[Literal["camera", "microphone", "gnss"], str] = {}
    world: dict[str, str | float | int | bool] = {}
    unit: dict[str, Any] = {}
    action: tuple[Action, ...]
    expect: tuple[Expectation, ...]

    @model_validator(mode="after")
    def _knows_its_world(self) -> Self:
        """Keys and values of the world, and the shipped media, before anything is started."""
        initial_state(self.world)
        for action in self.action:
            if isinstance(action, SetWorld):
                checked(action.key, action.value)
            elif isinstance(action, Ramp):
                checked(action.key, action.to)
            elif isinstance(action, Say | MakeSound):
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
