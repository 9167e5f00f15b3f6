from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from recorder.evidence.files import OsFiles
from recorder.health.model import known_values
from recorder.health.prometheus import exposition
from recorder.unit.logs import JsonLines
from recorder.unit.status import (
    KNOWN,
    CameraStatus,
    ConfigurationStatus,
    MatterStatus,
    UnitStatus,
    write,
    write_metrics,
)
from tests.health.sample import health


def status(**changes: Any) -> UnitStatus:
    camera = CameraStatus(worker_pid=7, ready=True, restarts=3, last_frame_us=1, dropped_frames=0, buffer_bytes=10)
    values: dict[str, Any] = {
        "unit_id": "zfy-000001",
        "version": "0.1.0",
        "boot_id": "b",
        "at_us": 1,
        "wall_us": 2,
        "clock_source": "none",
        "clock_set": False,
        "state": "recording",
        "recording": True,
        "shift_id": None,
        "session_id": None,
        "officers": 2,
        "officer_warning": None,
        "mode": "一般",
        "matter": MatterStatus(kind=None, stage=None, item=False, entrusting_agency=False, documents=False),
        "checklist": None,
        "config": ConfigurationStatus(sha256="c", reload="none", waiting=(), errors=(), remote=None, uplink_sha256="u"),
        "journal_id": "j",
        "head_seq": 12,
        "durable_seq": 12,
        "night": False,
        "lux": None,
        "faults": ("clock-not-set",),
        "cameras": {"cam0": camera},
        "health": known_values(health()),
    }
    return UnitStatus(**(values | changes))


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    write(status(), tmp_path, OsFiles())
    write(status(state="standby"), tmp_path, OsFiles())
    write_metrics(health(), tmp_path, OsFiles())
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "standby"
    assert (tmp_path / "recorder.prom").read_text() == exposition(health(), KNOWN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recorder.prom", "status.json"]


def test_the_numbers_keep_their_names_and_values(tmp_path: Path) -> None:
    write(status(), tmp_path, OsFiles())
    numbers = json.loads((tmp_path / "status.json").read_text())["health"]
    assert numbers == known_values(health())
    assert numbers["recording"] is True and numbers["upload_deadline_left_seconds"] == -12.5


def test_log_lines_carry_the_priority_journald_reads() -> None:
    record = logging.LogRecord("recorder.unit", logging.ERROR, "f", 1, "worker.lost", (), None)
    record.__dict__["fields"] = {"camera_id": "cam0", "detail": "摄像头", "path": Path("/x")}
    line = JsonLines().format(record)
    assert line.startswith("<3>") and "\n" not in line
    assert json.loads(line[3:]) == {
        "event": "worker.lost",
        "logger": "recorder.unit",
        "camera_id": "cam0",
        "detail": "摄像头",
        "path": "/x",
    }


def test_an_exception_stays_on_its_line() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError as error:
        info = (type(error), error, error.__traceback__)
    line = JsonLines().format(logging.LogRecord("x", logging.CRITICAL, "f", 1, "e", (), info))
    assert line.startswith("<2>") and "\n" not in line
    assert "ValueError: first" in json.loads(line[3:])["exception"]
