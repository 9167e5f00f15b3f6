"""What the session machine wants done. Effects are carried out in the order given.

The caller's part: every ``WriteRecord`` before a ``SendStart``/``SendStop`` is durable before the message is sent
(a session is in the journal before anything else of it exists); one ``sync`` for the records of one event is enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.evidence.records import InterruptionCause, Record


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """Append to the journal. The ``Common`` fields are the journal's business."""

    record: Record


@dataclass(frozen=True, slots=True)
class SendStart:
    """``messages.Start`` to the camera's worker (the machine only sends to a worker that is ready)."""

    camera_id: str
    session_id: str
    next_index: int
    preroll: bool


@dataclass(frozen=True, slots=True)
class SendStop:
    """``messages.Stop`` to the camera's worker."""

    camera_id: str
    session_id: str
    reason: Literal["stop", "shutdown"]


@dataclass(frozen=True, slots=True)
class KillWorker:
    """The worker did not close in time after a stop: kill it; ``WorkerLost`` follows."""

    camera_id: str
    cause: InterruptionCause
    detail: str


@dataclass(frozen=True, slots=True)
class RecoverSegment:
    """The worker of this open segment is gone: cut the file to what is whole and write its ``recovery`` record."""

    session_id: str
    segment_id: str
    camera_id: str


@dataclass(frozen=True, slots=True)
class Indicate:
    """Tell the officer. ``standby recording interrupted`` last; ``stopped marked`` are momentary."""

    state: Literal["standby", "recording", "interrupted", "stopped", "marked"]


@dataclass(frozen=True, slots=True)
class Rotate:
    """Begin a new journal file (a new file per shift). Comes before the ``shift-start`` it belongs to."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The request was not carried out. ``code`` is stable; the texts are for people."""

    code: Literal[
        "already-recording",
        "not-recording",
        "powering-off",
        "shift-open",
        "no-shift",
        "recording",
        "stop-needs-reason",
        "mode-lowered",
        "stopping-already",
    ]
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class ShutdownComplete:
    """Session and shift are closed and written: the process may end."""


Effect: TypeAlias = (
    WriteRecord | SendStart | SendStop | KillWorker | RecoverSegment | Indicate | Rotate | Refused | ShutdownComplete
)
