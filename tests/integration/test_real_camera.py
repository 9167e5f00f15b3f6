"""The whole unit with its camera on the real picamera2 and libx264: every process, the store, the files decoded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.test_sim_run import hw_sim, scenario
from tests.support import require_module, require_program


@pytest.mark.timeout(180)
def test_frames_in_the_files_are_those_the_sensor_took(tmp_path: Path) -> None:
    """Pre-roll, splits, upload and receipts; the frames' counters are read from the decoded files."""
    require_program("mosquitto")
    require_module("picamera2")
    out = tmp_path / "out"
    shift = scenario(tmp_path / "short.toml", 12.0, board={"module": "hw_sim.board_real"})
    done = hw_sim(tmp_path / "tmp", "run", str(shift), "--headless", "--out", str(out))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((out / "result.json").read_text())
    assert result["passed"] and result["segments"] >= 2 and result["frames_in_files"] > 60
    assert (result["frames_missing"], result["frames_repeated"], result["frames_unreadable"]) == (0, 0, 0)
