"""What can happen to the session machine. Every ``at_us`` is CLOCK_BOOTTIME of the current boot, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.channel import messages
from recorder.evidence.matter import Matter, Mode, StopReason
from recorder.evidence.records import InterruptionCause, SealedField

StartTrigger = Literal["button", "command", "remote", "ignition"]
StopTrigger = Literal["button", "command", "remote", "ignition"]


# --- what the journal says when the unit process starts --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Moment:
    """``at_us`` of CLOCK_BOOTTIME in boot ``bootseed``; ``wall_us``: the wall clock's claim for it."""

    at_us: int
    bootseed: str
    wall_us: int


@dataclass(frozen=True, slots=True)
class OpenGap:
    """An interruption without resumption."""

    gap_id: str
    begin: Moment


@dataclass(frozen=True, slots=True)
class CameraBefore:
    """One camera of the open session, after recovery. ``media_end``: end of its last signed live or postroll media (None:
    no media yet); ``next_index``: one above the highest index in the journal."""

    next_index: int
    media_end: Moment | None
    last_segment_id: str | None
    gap: OpenGap | None = None


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session without ``session-stop``."""

    session_id: str
    segment_count: int
    cameras: Mapping[str, CameraBefore]
    mode: Mode | None = None
    matter: Matter | None = None


@dataclass(frozen=True, slots=True)
class Previous:
    """The end of the journal (see ``previous.previous_of``). ``accounted``: up to where standby intervals, ``unit-down``
    events or the start of the shift speak for the unit's time. ``open_faults``: codes of the faults without an end.
    ``next_…``: what was said beforehand of the next session.
    ``clean_end``: the last process ended in order, without an end of the shift."""

    accounted: Moment
    shift_id: str | None
    session: OpenSession | None = None
    open_faults: tuple[str, ...] = ()
    next_mode: Mode | None = None
    next_matter: Matter | None = None
    clean_end: bool = False


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnitStarted:
    """First event of every start of the unit process. ``previous`` is None for an empty journal; ``wall_us`` is the wall
    clock's claim at ``at_us``, ``clock_vouched`` whether anything (GNSS, NTS, NTP, RTC) stands behind it."""

    at_us: int
    wall_us: int
    bootseed: str
    previous: Previous | None
    clock_vouched: bool


@dataclass(frozen=True, slots=True)
class ShiftStartRequested:
    at_us: int
    trigger: Literal["officer", "remote"]


@dataclass(frozen=True, slots=True)
class ShiftEndRequested:
    at_us: int
    trigger: Literal["officer", "remote"]


@dataclass(frozen=True, slots=True)
class StartRequested:
    """``officers``: how many are signed in; ``last_receipt``: digest of the newest believed receipt. ``mode`` and
    ``matter`` win over what was said beforehand, field by field."""

    at_us: int
    trigger: StartTrigger
    officers: int = 0
    mode: Mode | None = None
    matter: Matter | None = None
    last_receipt: str | None = None


@dataclass(frozen=True, slots=True)
class ContextGiven:
    """What the session that runs, or else the next one, is about; what is None stays as it is."""

    at_us: int
    mode: Mode | None = None
    matter: Matter | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """``stated``: why; without it a recording in 全程 mode goes on (art. 20)."""

    at_us: int
    reason: StopTrigger
    stated: StopReason | None = None


@dataclass(frozen=True, slots=True)
class MarkRequested:
    """重点标记. ``kind`` is ``key`` from the button."""

    at_us: int
    kind: str = "key"


@dataclass(frozen=True, slots=True)
class PowerOff:
    """Orderly end (SIGTERM, power key): closes the session and the shift; answered by ``ShutdownComplete``."""

    at_us: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """This process ends in order and another goes on with the shift: the time up to here is accounted for by this one."""

    at_us: int


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker said hello: it takes commands."""

    at_us: int
    camera_id: str


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """The worker is gone (exited, or killed and its exit seen). Feed every report it made before this event."""

    at_us: int
    camera_id: str
    cause: InterruptionCause
    detail: str


@dataclass(frozen=True, slots=True)
class WorkerFault:
    """A fault the worker reported; on ``onset`` it names the cause of a gap that follows from it."""

    at_us: int
    camera_id: str
    code: str
    phase: Literal["onset", "end"]


@dataclass(frozen=True, slots=True)
class SegmentOpened:
    """``message`` from the worker. ``wall_us``: the wall clock's claim at ``at_us``. ``overlay``: its texts, sealed."""

    at_us: int
    message: messages.Opened
    wall_us: int
    overlay: SealedField | None = None


@dataclass(frozen=True, slots=True)
class MediaDurable:
    """An entry of a segment is durable (its ``head`` is the caller's business)."""

    at_us: int
    camera_id: str
    segment_id: str
    media_end_us: int


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """``message`` from the worker; every entry of the segment must already stand in a ``head`` record."""

    at_us: int
    message: messages.Closed


@dataclass(frozen=True, slots=True)
class Tick:
    at_us: int


Event: TypeAlias = (
    UnitStarted
    | ShiftStartRequested
    | ShiftEndRequested
    | StartRequested
    | ContextGiven
    | StopRequested
    | MarkRequested
    | PowerOff
    | HandOver
    | WorkerReady
    | WorkerLost
    | WorkerFault
    | SegmentOpened
    | MediaDurable
    | SegmentClosed
    | Tick
)
