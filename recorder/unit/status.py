"""The unit's status: ``status.json`` for people and tools. Its numbers are the health model's (``recorder.health``), of
which ``recorder.prom`` is the other form."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ConfigDict

from firmware_bridge.ports import ClockSource, ThrottleReason
from recorder.evidence.files import Files
from recorder.evidence.records import InterruptionCause
from recorder.faults.catalogue import CATALOGUE
from recorder.health.model import Health
from recorder.health.prometheus import Known, exposition
from recorder.health.status_file import STATUS_FILE
from recorder.unit.reloading import ReloadStatus

METRICS_FILE: Final = "recorder.prom"

KNOWN: Final[Known] = {
    "code": tuple(CATALOGUE),
    "cause": get_args(InterruptionCause),
    "reason": get_args(ThrottleReason),
    "source": get_args(ClockSource),
}
"""What a label can be, where it is known beforehand."""


class CameraStatus(BaseModel):
    model_config = ConfigDict(frozen=True)

    worker_pid: int | None
    ready: bool
    restarts: int
    last_frame_us: int | None
    dropped_frames: int
    buffer_bytes: int


class MatterStatus(BaseModel):
    """Of the session that runs, or of the next one. What is sealed in the journal is told here as given or not."""

    model_config = ConfigDict(frozen=True)

    kind: str | None
    stage: str | None
    item: bool
    entrusting_agency: bool
    documents: bool


class ChecklistStatus(BaseModel):
    """Kinds of mark (arts. 9, 22) set and lacking in the session that runs."""

    model_config = ConfigDict(frozen=True)

    covered: tuple[str, ...]
    missing: tuple[str, ...]


class ConfigurationStatus(BaseModel):
    """``sha256``: of what is in force. The rest is of the last reload: ``none`` before there was one; ``waiting``: settings
    accepted and not in force yet, in ``errors`` why it was refused. ``remote``: what is said of configurations pushed from
    afar, members of up/reported (docs/wire.md). ``uplink_sha256``: of the uplink's sections in force, by which that process
    notices that it has to read them again."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    reload: ReloadStatus
    waiting: tuple[str, ...]
    errors: tuple[str, ...]
    remote: dict[str, Any] | None
    uplink_sha256: str


class UnitStatus(BaseModel):
    """Everything a technician asks first. Times are CLOCK_BOOTTIME µs of ``boot_id``."""

    model_config = ConfigDict(frozen=True)

    unit_id: str
    version: str
    boot_id: str
    at_us: int
    wall_us: int
    clock_source: str
    clock_set: bool
    state: str
    recording: bool
    shift_id: str | None
    session_id: str | None
    officers: int
    officer_warning: str | None
    mode: str
    matter: MatterStatus
    checklist: ChecklistStatus | None
    config: ConfigurationStatus
    journal_id: str
    head_seq: int
    durable_seq: int
    """Last record known to be on the disk, -1 for none: the uplink posts nothing beyond it."""
    night: bool
    lux: float | None
    faults: tuple[str, ...]
    cameras: dict[str, CameraStatus]
    health: dict[str, bool | int | float | dict[str, float]]
    """What is known of :class:`recorder.health.model.Health`: the numbers, by the name they have everywhere."""


def write(status: UnitStatus, run_dir: Path, files: Files) -> None:
    """Replaced in one step, so that a reader never sees half."""
    files.replace(run_dir / STATUS_FILE, status.model_dump_json(indent=1).encode() + b"\n")


def write_metrics(health: Health, folder: Path, files: Files) -> None:
    """The same for ``recorder.prom``. Faults and causes that are not there are written as 0."""
    files.replace(folder / METRICS_FILE, exposition(health, KNOWN).encode())
