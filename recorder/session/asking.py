"""What the interruption machine remembers while it asks for the reason of a gap, and what it wants done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from recorder.config.models import RecorderConfig
from recorder.evidence.carried import GapState
from recorder.evidence.records import Explanation, LegalCause, Record
from recorder.session.clock_watch import looks_set
from recorder.session.speech_log import Interval

LEGAL_CAUSES: tuple[LegalCause, ...] = get_args(LegalCause)
"""In the order of the article, which is the order in which the button counts them."""

CLASS_KEYS: dict[LegalCause, str] = dict(
    zip(LEGAL_CAUSES, ("equipment", "weather", "obstruction", "other"), strict=True)
)
"""The prompt catalogue's names of them."""

_DEVICE_CAUSES = frozenset(
    {
        "camera-stall",
        "camera-unplugged",
        "camera-fault",
        "microphone-fault",
        "storage-fault",
        "storage-full",
        "power-loss",
        "low-battery",
        "thermal",
        "worker-crash",
        "worker-late",
        "process-crash",
        "buffer-overflow",
    }
)
_SPOKEN_CAUSES = {"low-battery": "battery-low", "storage-full": "storage-low"}
GAP_QUESTIONS = frozenset({"resumed", "resumed-clock-not-set", "resumed-length-unknown", "explanation-missing"})
"""Prompts that ask the officer for the reason of a gap."""

CHINA_US = 8 * 3600 * 1_000_000
DAY_S = 86_400


# --- outputs ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Say:
    """Have a prompt of the catalogue spoken."""

    prompt_id: str
    values: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Write:
    """Append to the journal."""

    record: Record


@dataclass(frozen=True, slots=True)
class Refuse:
    """Not done; ``code`` is stable, the texts are for people."""

    code: Literal["unknown-gap", "gap-settled", "not-recording", "no-open-gap", "note-open"]
    zh: str
    en: str


Output: TypeAlias = Say | Write | Refuse


# --- settings and state ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AskingSettings:
    """Times in microseconds. ``repeat_us``: after the first prompt. ``choice_us`` 0: no choice by button.
    ``officer_min_dbfs``: fainter speech never explains anything without the officer's hand."""

    explained_by: Literal["button", "speech"]
    officer_min_dbfs: float
    min_speech_us: int
    answer_us: int
    repeat_us: tuple[int, ...]
    choice_us: int
    failed_restarts: int
    failed_within_us: int

    @classmethod
    def of(cls, config: RecorderConfig) -> AskingSettings:
        section = config.interruption
        return cls(
            explained_by=section.explained_by,
            officer_min_dbfs=section.officer_min_dbfs,
            min_speech_us=round(section.min_speech_s * 1e6),
            answer_us=round(section.answer_s * 1e6),
            repeat_us=tuple(round(after * 1e6) for after in section.repeat_s),
            choice_us=round(section.choice_s * 1e6),
            failed_restarts=section.failed_restarts,
            failed_within_us=round(section.failed_within_s * 1e6),
        )


@dataclass(slots=True)
class Incident:
    """Gaps one answer is asked for. ``asked``: how often; ``due_us``: when the next time, None when never again."""

    session_id: str
    gaps: list[str]
    due_us: int | None
    asked: int = 0
    first_us: int = 0


@dataclass(slots=True)
class Round:
    """The officer was asked; what is said from ``from_us`` until ``until_us`` is the answer."""

    incident: Incident
    from_us: int
    began_us: int
    until_us: int


@dataclass(slots=True)
class Answer:
    """Something was said; it is written once the fragments that hold it are signed."""

    incident: Incident
    within: Interval
    confirmed: Literal["button", "speech"]
    mark_id: str | None
    settle_us: int
    give_up_us: int


@dataclass(slots=True)
class Choice:
    """The class may be chosen: so many presses, then a pause."""

    gaps: tuple[str, ...]
    until_us: int
    presses: int = 0
    last_us: int = 0


# --- small decisions -------------------------------------------------------------------------------------------------


def suggestion(cause: str) -> LegalCause | None:
    """What the unit may suggest for a cause it measured. 天气恶劣 and 人为阻挠 only a person can tell."""
    return "设备故障" if cause in _DEVICE_CAUSES else None


def spoken_cause(cause: str) -> str:
    """The catalogue's name for the cause of an interruption, said while it lasts."""
    return _SPOKEN_CAUSES.get(cause, "device-fault" if cause in _DEVICE_CAUSES else "other")


def chosen(state: GapState, cause: LegalCause) -> Write:
    """The legal class of a gap, chosen by the officer: never an explanation by itself."""
    return Write(
        Explanation(
            gap_id=state.gap_id,
            confirmed="choice",
            counts=False,
            mark_id=None,
            legal_cause=cause,
            speech=(),
            before_sha256=state.before_sha256,
            after_sha256=state.after_sha256,
        )
    )


def resumed_prompt(states: list[GapState]) -> Say:
    """The prompt that names the times of the gaps: as much of them as is known."""
    ends = [state.resumed for state in states if state.resumed is not None]
    begins = [state.from_wall for state in states if state.from_wall is not None]
    lasted = _lasted_s(states)
    clock_set = bool(begins) and looks_set(round(min(begins) * 1e6))
    across = any(state.resumed is not None and state.resumed.bootseed != state.from_bootseed for state in states)
    if clock_set and ends:
        to = max(end.wall for end in ends)
        return Say("resumed", {"begin": _time_of_day(min(begins)), "end": _time_of_day(to), "lasted": lasted})
    if across:
        return Say("resumed-length-unknown")
    return Say("resumed-clock-not-set", {"lasted": lasted})


def _lasted_s(states: list[GapState]) -> int:
    """Length of the gaps together, what overlaps counted once; a whole second at least."""
    spans = sorted(
        (state.from_wall, state.resumed.wall)
        for state in states
        if state.resumed is not None and state.from_wall is not None
    )
    total, reach = 0.0, float("-inf")
    for begin, end in spans:
        total += max(0.0, end - max(begin, reach))
        reach = max(reach, end)
    return max(1, round(total))


def _time_of_day(wall_s: float) -> int:
    """Seconds since midnight, Beijing time."""
    return int(wall_s + CHINA_US / 1e6) % DAY_S


def described(state: GapState) -> dict[str, Any]:
    """A gap for ``recorder ctl gaps``."""
    return {
        "gap_id": state.gap_id,
        "state": state.phase,
        "camera_id": state.camera_id,
        "session_id": state.session_id,
        "cause": state.cause,
        "from": state.from_wall,
        "to": state.resumed.wall if state.resumed is not None else None,
        "duration_us": state.duration_us,
        "legal_cause": state.legal_cause,
        "suggested": suggestion(state.cause) if state.legal_cause is None else None,
    }
