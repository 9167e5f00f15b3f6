"""``recorder report``: exit codes as ``recorder verify``, and a file."""

from __future__ import annotations

import io
from pathlib import Path

from recorder.export.command import run_report
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import sound_vault


def test_report_command(agency: TestAgency, tmp_path: Path) -> None:
    unit, trust = sound_vault(agency).write(tmp_path / "unit"), agency.trust(tmp_path / "trust")
    target = tmp_path / "report.html"
    out = io.StringIO()
    assert run_report(unit, trust, None, target, "zh", out) == 0
    assert out.getvalue().startswith("有效")
    assert "生成时间" in target.read_text(encoding="utf-8")
    next((unit / "segments").rglob("*.mp4")).unlink()
    assert run_report(unit, trust, None, target, "zh", out) == 1
    assert run_report(tmp_path / "nowhere", trust, None, target, "zh", out) == 2
    assert run_report(unit, trust, None, tmp_path / "no" / "folder.html", "en", out) == 2
    assert "cannot be written" in out.getvalue()
