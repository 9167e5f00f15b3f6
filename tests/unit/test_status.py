from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from recorder.evidence.files import OsFiles
from recorder.unit.logs import JsonLines
from recorder.unit.status import CameraStatus, ConfigurationStatus, MatterStatus, UnitStatus, prometheus, write


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
        "config": ConfigurationStatus(sha256="c", reload="none", waiting=(), errors=()),
        "journal_id": "j",
        "head_seq": 12,
        "durable_seq": 12,
        "night": False,
        "lux": None,
        "gnss_age_s": 1.5,
        "battery_percent": 80.0,
        "temperature_c": None,
        "free_mb": 123_456_789,
        "pending_segments": 1,
        "pending_bytes": 9_876_543_210,
        "unexplained_gaps": 1,
        "statements_owed": 2,
        "faults": ("clock-not-set",),
        "cameras": {"cam0": camera},
    }
    return UnitStatus(**(values | changes))


def test_both_files_are_replaced_whole(tmp_path: Path) -> None:
    write(status(), tmp_path, OsFiles())
    write(status(state="standby"), tmp_path, OsFiles())
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "standby"
    assert (tmp_path / "recorder.prom").read_text() == prometheus(status(state="standby"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recorder.prom", "status.json"]


def test_the_metrics_are_in_the_text_format_and_exact() -> None:
    values: dict[str, float] = {}
    typed: set[str] = set()
    for line in prometheus(status()).splitlines():
        if line.startswith("# TYPE "):
            typed.add(line.split()[2])
        elif not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert name.split("{")[0] in typed, "a value before its TYPE"
            values[name] = float(value)
    assert values["recorder_storage_free_bytes"] == 123_456_789_000_000
    assert values["recorder_upload_backlog_bytes"] == 9_876_543_210
    assert values['recorder_worker_restarts_total{camera="cam0"}'] == 3
    assert values["recorder_gnss_fix_age_seconds"] == 1.5
    assert "gnss" not in prometheus(status(gnss_age_s=None))


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
