"""A story: days of a unit's life told as timed actions, on the deterministic tier. Hours take seconds, nothing is left out.

The random shifts (``shift``) ask whether anything at all breaks the promises; a story shows one course of events that the
law speaks of and that no test with real clocks can wait for. It leaves the same folder as ``hw-sim run``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hw_sim.deterministic.plan import Plan
from hw_sim.deterministic.shift import Shift
from hw_sim.deterministic.timeline import SECOND
from hw_sim.scenario import Expectation, ScenarioError
from recorder.config.models import RecorderConfig
from recorder.unit.events import ButtonEdge, ControlRequest, Shutdown

STORIES = Path(__file__).resolve().parents[1] / "stories"
HOUR = 3600 * SECOND
TICK_US = 5 * SECOND
"""A turn of the unit process when nothing happens: workers' reports and the officer's hand wake it in between."""
HOLD_US = 1_900_000


class _Step(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    at_h: Annotated[float, Field(ge=0)]


class PowerOn(_Step):
    do: Literal["power-on"]


class PowerOff(_Step):
    """The power key: an orderly end."""

    do: Literal["power-off"]


class PowerCut(_Step):
    """The power goes at this instant and is back after ``off_h``."""

    do: Literal["power-cut"]
    off_h: Annotated[float, Field(gt=0)]


class Record(_Step):
    do: Literal["record"]


class StopRecording(_Step):
    do: Literal["stop"]


class NetworkIs(_Step):
    do: Literal["network"]
    up: bool


class SignIn(_Step):
    do: Literal["sign-in"]
    name: str
    cert_no: str


class Ctl(_Step):
    """Any command of the control socket."""

    do: Literal["ctl"]
    cmd: str
    values: dict[str, Any] = {}


Action = Annotated[
    PowerOn | PowerOff | PowerCut | Record | StopRecording | NetworkIs | SignIn | Ctl, Field(discriminator="do")
]


class Story(BaseModel):
    """``hours``: how long it lasts; ``unit``: layers of the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title_zh: str
    title_en: str
    seed: int
    hours: Annotated[float, Field(gt=0, le=24 * 31)]
    unit: dict[str, Any] = {}
    action: tuple[Action, ...]
    expect: tuple[Expectation, ...]

    @model_validator(mode="after")
    def _in_order(self) -> Story:
        times = [action.at_h for action in self.action]
        if times != sorted(times) or (times and times[-1] > self.hours):
            raise ValueError("actions must be in order of time and within the story's hours")
        if not self.expect:
            raise ValueError("a story without expectations proves nothing")
        return self


def story_file(name_or_path: str) -> Path | None:
    """The file of a shipped story, or of one given by path below a folder ``stories``; None for anything else."""
    path = Path(name_or_path)
    if path.suffix == ".toml":
        return path if path.parent.name == "stories" and path.is_file() else None
    shipped = STORIES / f"{name_or_path}.toml"
    return shipped if shipped.is_file() else None


def load_story(path: Path) -> Story:
    """Raises ScenarioError naming file and key."""
    try:
        return Story.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: 无法读取 cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: TOML 语法错误 TOML syntax error: {error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise ScenarioError(f"{path}: 场景无效 invalid story:\n  " + "\n  ".join(lines)) from error


def _plan(story: Story) -> Plan:
    return Plan(
        seed=story.seed,
        duration_us=round(story.hours * HOUR),
        cameras=("cam0",),
        sealed=True,
        real_signer=True,
        segment_us=60 * SECOND,
        pre_event_us=0,
        post_event_us=0,
        standby_interval_us=60 * SECOND,
        head_interval_us=1_000_000,
        checkpoint_records=512,
        releases=False,
        capacity=8 << 30,
        wall_offset_us=0,
        tampers=False,
        troubles=(),
    )


class StoryShift(Shift):
    """The shift whose course is told. ``answers``: the commands that were accepted, in order; ``refused``: the others."""

    tick_us = TICK_US

    def __init__(self, story: Story, folder: Path, say: Callable[[str], None] = lambda text: None) -> None:
        self.story = story
        super().__init__(_plan(story), folder)
        self.answers: list[str] = []
        self.refused: list[str] = []
        self._say = say

    def configuration(self, plan: Plan, folder: Path) -> RecorderConfig:
        values = super().configuration(plan, folder).model_dump()
        for section, changes in self.story.unit.items():
            values[section] |= changes
        return RecorderConfig.model_validate(values)

    def run(self) -> None:
        for action in self.story.action:
            self.timeline.at(round(action.at_h * HOUR), lambda action=action: self._act(action))  # type: ignore[misc]
        self._run_until(round(self.story.hours * HOUR))
        if self.unit is not None or self.clock is not None:
            self._end_of_duty()

    def _act(self, action: Action) -> None:
        self._say(f"{action.at_h:6.2f} h  {action.do}")
        match action:
            case PowerOn():
                self.power_on()
            case PowerOff():
                if self.unit is not None:
                    self.unit.events.put(Shutdown())
                self.timeline.after(40 * SECOND, self._off)
            case PowerCut(off_h=off_h):
                self._boot_again_us = (round(off_h * HOUR), round(off_h * HOUR))
                self.power_gone()
            case Record():
                self._hold(150_000)
            case StopRecording():
                self._hold(HOLD_US)
            case NetworkIs(up=up):
                self.network.up = up
            case SignIn(name=name, cert_no=cert_no):
                self._ask("sign-in", {"name": name, "cert_no": cert_no})
            case Ctl(cmd=cmd, values=values):
                self._ask(cmd, values)

    def _off(self) -> None:
        self._power_down()
        self.disk.power_off()

    def _hold(self, length_us: int) -> None:
        self._edge(True)
        self.timeline.after(length_us, lambda: self._edge(False))

    def _edge(self, pressed: bool) -> None:
        if self.unit is not None:
            self.unit.events.put(ButtonEdge("record", pressed, self.unit.clock.boottime_us()))

    def _ask(self, cmd: str, values: dict[str, Any]) -> None:
        def reply(answer: dict[str, Any]) -> None:
            if answer.get("ok"):
                self.answers.append(cmd)
            else:
                self.refused.append(f"{cmd}: {answer.get('error')}")

        if self.unit is None:
            self.refused.append(f"{cmd}: the unit is off")
        else:
            self.unit.events.put(ControlRequest({"v": 1, "cmd": cmd, **values}, reply))
