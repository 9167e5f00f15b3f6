"""The service units are valid and tight, by systemd's own judgement (no running systemd is needed)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support import require_program

UNITS = sorted((Path(__file__).parents[2] / "systemd").glob("*.service"))
THRESHOLD = "20"
"""Exposure times ten, as systemd-analyze wants it: 2.0 and better is "OK"."""


def runnable(unit: Path, folder: Path) -> Path:
    """A copy whose program exists: the check must complain about the unit, not about what is not installed here."""
    text = unit.read_text(encoding="utf-8").replace("/usr/bin/recorder", "/bin/true")
    copy = folder / unit.name
    copy.write_text(text, encoding="utf-8")
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_unit_is_valid(unit: Path, tmp_path: Path) -> None:
    program = require_program("systemd-analyze")
    # Without --recursive-errors=no systemd 252 exits 0 on unknown keys and bad values.
    done = subprocess.run(
        [program, "verify", "--recursive-errors=no", "--man=no", str(runnable(unit, tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Unknown key" not in done.stderr


def test_a_typo_would_be_noticed(tmp_path: Path) -> None:
    program = require_program("systemd-analyze")
    broken = runnable(UNITS[0], tmp_path)
    broken.write_text(broken.read_text(encoding="utf-8").replace("WatchdogSec=15s", "WatchdogSec=abc\nTypo=1"))
    done = subprocess.run(
        [program, "verify", "--recursive-errors=no", "--man=no", str(broken)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert UNITS[0].name == "recorder-unit.service"
    assert done.returncode != 0


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_the_unit_is_tight(unit: Path) -> None:
    program = require_program("systemd-analyze")
    done = subprocess.run(
        [program, "security", "--offline=yes", f"--threshold={THRESHOLD}", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-600:] + done.stderr
