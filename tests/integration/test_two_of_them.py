"""Two units on one folder, an old worker beside a new unit, two cameras in one unit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hw_sim.agency.agency import Agency
from recorder.channel.places import channel_socket
from recorder.channel.worker_lock import lock_path
from tests.channel.test_worker_lock import HOLD
from tests.integration.rig import Rig, recorder

CAMERA = {"width": 320, "height": 180, "frame_rate": 15, "bitrate_kbps": 500}
NOT_UPLOADED = {"gap-unexplained", "segment-recovered", "unanchored", "time-claimed"}
"""Findings of a sound unit that has met its store at enrolment only, after a gap nobody explained."""


@pytest.mark.timeout(90)
def test_a_second_unit_on_the_same_folder_refuses_and_harms_nothing(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-second") as rig:
        rig.enrol(agency)
        rig.start()
        rig.record()
        elsewhere = {"RECORDER__STORAGE__RUN_DIR": str(tmp_path / "other-run")}
        same_run_dir = {"RECORDER__STORAGE__DATA_DIR": str(tmp_path / "other-data")}
        for env in ({}, elsewhere, same_run_dir):
            done = recorder("run", "--config", str(rig.config), env=env)
            assert done.returncode == 2, done.stdout
            assert "another recorder run" in done.stdout and "已有" in done.stdout
        known = len(rig.view().segments)
        rig.wait(lambda: rig.signed(known) >= 1, "the first one records on")
        assert rig.ctl("mark").returncode == 0, "its control socket is still its own"
        rig.end_recording()
        assert rig.stop() == 0
        assert rig.view().gaps == {}
        verdict = rig.verify()
        assert (verdict["integrity"], verdict["completeness"]) == ("intact", "complete")
        assert len(rig.of("boot")) == 1


@pytest.mark.timeout(90)
def test_a_hung_worker_of_a_dead_unit_is_ended_before_the_new_unit_records(agency: Agency, tmp_path: Path) -> None:
    """A worker whose unit was killed and that does not end: it holds its lock, and would write behind the cut."""
    with Rig(tmp_path / "run", agency, unit_id="zfy-hung") as rig:
        rig.enrol(agency)
        rig.start()
        rig.record()
        (worker,) = rig.unit.worker_pids()
        rig.unit.kill("unit")
        rig.wait(lambda: not running(worker), "the old worker saw its channel close and ended")
        path = channel_socket(rig.layout.run, "cam0")
        hung = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert hung.stdin is not None and hung.stdout is not None
        try:
            assert hung.stdout.readline().strip().isdigit()
            rig.start()
            assert hung.wait(10) == -signal.SIGKILL
        finally:
            hung.kill()
            hung.wait(10)
            hung.stdin.close()
            hung.stdout.close()
        assert "worker.outlived" in rig.log("unit")
        assert lock_path(path).read_text() == str(rig.unit.worker_pids()[0])
        rig.wait(lambda: all(gap.to_us is not None for gap in rig.view().gaps.values()), "the recording goes on")
        rig.end_recording()
        assert rig.stop() == 0
        (gap,) = rig.view().gaps.values()
        assert gap.cause == "process-crash"
        for recovery in rig.of("recovery"):
            kept = rig.layout.unit / "segments" / recovery["session_id"] / f"{recovery['segment_id']}.mp4.age"
            assert kept.stat().st_size == recovery["kept_bytes"]
        verdict = rig.verify()
        assert set(verdict["finding_codes"]) <= NOT_UPLOADED, verdict["finding_codes"]
        assert verdict["recorded_s"] > 0 and verdict["unaccounted_s"] == 0.0


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.timeout(90)
def test_two_cameras_are_two_accounts(agency: Agency, tmp_path: Path) -> None:
    """A vehicle: the death of one camera's worker interrupts that camera and no other."""
    overrides = {"device": {"vehicle": True}, "cameras": {"cam0": CAMERA, "cam1": CAMERA}}
    with Rig(tmp_path / "run", agency, overrides, unit_id="zfy-vehicle") as rig:
        rig.enrol(agency)
        rig.start()
        rig.record()
        assert {segment.camera_id for segment in rig.view().segments.values()} == {"cam0", "cam1"}
        os.kill(rig.unit.status()["cameras"]["cam1"]["worker_pid"], signal.SIGKILL)
        rig.wait(lambda: bool(rig.of("resumption")), "the camera records again")
        rig.end_recording()
        assert rig.stop() == 0
        (gap,) = rig.of("interruption")
        assert (gap["camera_id"], gap["cause"]) == ("cam1", "worker-crash")
        assert {record["camera_id"] for record in rig.of("recovery")} == {"cam1"}
        assert sorted(rig.of("session-start")[0]["cameras"]) == ["cam0", "cam1"]
        verdict = rig.verify()
        assert set(verdict["finding_codes"]) <= NOT_UPLOADED, verdict["finding_codes"]
        assert verdict["integrity"] == "incomplete"
        assert verdict["unaccounted_s"] == 0.0
        (resumption,) = rig.of("resumption")
        assert verdict["gap_s"] == pytest.approx(resumption["duration_us"] / 1e6, abs=0.002)
        (session,) = (
            stop["at_us"] - start["at_us"] for start, stop in [(*rig.of("session-start"), *rig.of("session-stop"))]
        )
        # Live media begins at the newest keyframe before the press: up to one GOP (1 s) more than the session, each.
        # A gap that began before the press (a worker killed at once) may take some of that away again.
        owed = 2 * session / 1e6 - verdict["gap_s"]
        assert owed - 1.1 <= verdict["recorded_s"] <= owed + 2 * 1.1, "both are counted"
