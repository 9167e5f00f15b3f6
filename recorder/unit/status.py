"""The unit's status as one model: ``status.json`` for people and tools, ``recorder.prom`` for node_exporter."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from recorder.evidence.files import Files
from recorder.unit.reloading import ReloadStatus


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
    accepted and not in force yet, in ``errors`` why it was refused."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    reload: ReloadStatus
    waiting: tuple[str, ...]
    errors: tuple[str, ...]


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
    gnss_age_s: float | None
    battery_percent: float | None
    temperature_c: float | None
    free_mb: int
    pending_segments: int
    pending_bytes: int
    unexplained_gaps: int
    statements_owed: int
    faults: tuple[str, ...]
    cameras: dict[str, CameraStatus]


def write(status: UnitStatus, run_dir: Path, files: Files) -> None:
    """Both files, each replaced in one step so that a reader never sees half."""
    files.replace(run_dir / "status.json", status.model_dump_json(indent=1).encode() + b"\n")
    files.replace(run_dir / "recorder.prom", prometheus(status).encode())


def prometheus(status: UnitStatus) -> str:
    """Prometheus text exposition format 0.0.4."""
    lines: list[str] = []

    def metric(name: str, kind: str, text: str, values: list[tuple[str, float]]) -> None:
        lines.append(f"# HELP recorder_{name} {text}")
        lines.append(f"# TYPE recorder_{name} {kind}")
        lines.extend(f"recorder_{name}{labels} {value!r}" for labels, value in values)

    metric("recording", "gauge", "1 while a session is being recorded.", [("", float(status.recording))])
    metric("storage_free_bytes", "gauge", "Free bytes of the data partition.", [("", status.free_mb * 1e6)])
    metric("upload_backlog_bytes", "gauge", "Bytes without a believed receipt.", [("", float(status.pending_bytes))])
    metric("unexplained_gaps", "gauge", "Interruptions nobody explained.", [("", float(status.unexplained_gaps))])
    metric(
        "statements_owed", "gauge", "Interruptions without a signed statement.", [("", float(status.statements_owed))]
    )
    metric("faults", "gauge", "Faults at this moment.", [("", float(len(status.faults)))])
    if status.gnss_age_s is not None:
        metric("gnss_fix_age_seconds", "gauge", "Age of the newest GNSS fix.", [("", status.gnss_age_s)])
    metric(
        "worker_restarts_total",
        "counter",
        "Restarts of the capture worker.",
        [(f'{{camera="{name}"}}', float(max(0, camera.restarts))) for name, camera in status.cameras.items()],
    )
    return "\n".join(lines) + "\n"
