"""What people, things and the weather may do in a scenario: one model for each action.

Faults follow one verb, ``fault COMPONENT MODE``, as PX4 does it, so that scenario files, the panel and tests say the same
words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hw_sim.awaited import parse_awaited
from hw_sim.world_keys import checked
from recorder.evidence.records import LegalCause

Process = Literal["unit", "worker", "uplink", "store", "broker"]


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


class Wait(Step):
    """Nothing further of the script happens until the journal says so (``hw_sim/awaited.py``): ``prompt ID``,
    ``fault CODE``, ``fault-end CODE``, ``record TYP``, ``gap PHASE``, ``receipted``. The times of what follows count from
    then on, so that a slow machine plays the same scenario more slowly."""

    do: Literal["wait"]
    until: str
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 20.0

    @model_validator(mode="after")
    def _can_be_awaited(self) -> Self:
        parse_awaited(self.until)
        return self


class Explain(Step):
    """An officer answers the unit's question: waits until it has been asked, speaks, presses mark; then chooses the legal
    class by so many presses when the unit has offered the choice (art. 23). ``prompt``: the question that is waited for."""

    do: Literal["explain"]
    clip: str = "officer_explains.wav"
    presses: Annotated[int, Field(ge=0, le=4)] = 0
    prompt: Literal["resumed", "resumed-clock-not-set", "resumed-length-unknown"] = "resumed"


class Ctl(Step):
    """``recorder ctl …`` as given. ``refused``: it has to be refused, which is noted with its reason."""

    do: Literal["ctl"]
    arguments: Annotated[tuple[str, ...], Field(min_length=1)]
    refused: bool = False


class Signatory(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    cert_no: str


class SignStatement(Step):
    """The written statement of the latest interruption (art. 23): exported from a copy of the journal, signed off the unit
    by every one of ``officers`` with a certificate of the agency, handed in at the unit. ``alone_first``: the first of
    them tries it alone before, and has to be refused."""

    do: Literal["sign-statement"]
    legal_cause: LegalCause
    officers: Annotated[tuple[Signatory, ...], Field(min_length=1)]
    alone_first: bool = True


class DeleteFile(Step):
    """Somebody removes files behind the unit's back: those of ``pattern`` below the unit's data folder, of media segments
    only closed ones; the ``count`` oldest. ``stored``: only segments the store has signed for, or only others."""

    do: Literal["delete-file"]
    pattern: str
    count: Annotated[int, Field(ge=1)] = 1
    stored: bool | None = None

    @model_validator(mode="after")
    def _stays_in_the_folder(self) -> Self:
        if Path(self.pattern).is_absolute() or ".." in Path(self.pattern).parts:
            raise ValueError(f"pattern = {self.pattern!r}: 应在设备数据目录之内 must stay below the unit's data folder")
        return self


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
    | Stop
    | Wait
    | Explain
    | Ctl
    | SignStatement
    | DeleteFile,
    Field(discriminator="do"),
]
