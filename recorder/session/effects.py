"""What the session machine asks the unit process to do. Values only; the adapters carry them out in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.evidence.records import Record


@dataclass(frozen=True, slots=True)
class Write:
    """Append this record to the journal."""

    record: Record


@dataclass(frozen=True, slots=True)
class StartCamera:
    """Tell the camera's worker to record."""

    camera_id: str
    session_id: str
    next_index: int
    preroll: bool


@dataclass(frozen=True, slots=True)
class StopCamera:
    """Tell the camera's worker to end the session."""

    camera_id: str
    session_id: str
    reason: Literal["stop", "shutdown"]


@dataclass(frozen=True, slots=True)
class Indicate:
    """Show the officer: a state that stays (``standby``, ``recording``, ``interrupted``) or a moment (``marked``)."""

    name: str
    momentary: bool = False


Effect: TypeAlias = Write | StartCamera | StopCamera | Indicate
