"""Two units on one folder, an old worker beside a new unit, two cameras in one unit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.authority import Authority
from tests.integration.rig import PaperAgency, Rig, merged, recorder

Paper = tuple[PaperAgency, Authority]
CAMERA = {"width": 320, "height": 180, "frame_rate": 15, "bitrate_kbps": 500}


def test_a_second_unit_on_the_same_folder_refuses_and_harms_nothing(paper: Paper, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", paper[0]) as rig:
        rig.start()
        rig.record()
        elsewhere = {"RECORDER__STORAGE__RUN_DIR": str(tmp_path / "other-run")}
        same_run_dir = {"RECORDER__STORAGE__DATA_DIR": str(tmp_path / "other-data")}
        for env in ({}, elsewhere, same_run_dir):
            done = recorder("run", "--config", str(rig.config), env=env)
            assert done.returncode == 2, done.stdout
            assert "another recorder run" in done.stdout and "已有" in done.stdout
        entries = rig.view().segments
        rig.wait(lambda: rig.signed(len(entries)) >= 1, "the first one records on")
        assert rig.ctl("mark").returncode == 0, "its control socket is still its own"
        rig.end_recording()
        assert rig.stop() == 0
        assert rig.view().gaps == {}
        paper[1].publish_trust(rig.layout.trust, rig.layout.identity)
        assert rig.verify()["integrity"] in ("intact", "unsigned")


@pytest.mark.timeout(90)
def test_a_hung_worker_of_a_dead_unit_is_ended_before_its_file_is_cut(paper: Paper, tmp_path: Path) -> None:
    """Stopped, it does not even see its socket close; woken later it would write behind the cut."""
    with Rig(tmp_path / "run", paper[0]) as rig:
        rig.start()
        rig.record()
        (worker,) = rig.unit.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        rig.unit.kill("unit")
        rig.start()
        assert not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]
        assert "worker.outlived" in rig.log("unit")
        rig.wait(lambda: all(gap.to_us is not None for gap in rig.view().gaps.values()), "the recording goes on")
        rig.end_recording()
        assert rig.stop() == 0
        (gap,) = rig.view().gaps.values()
        assert gap.cause == "process-crash"
        (recovery,) = rig.of("recovery")
        path = rig.layout.unit / "segments" / recovery["session_id"] / f"{recovery['segment_id']}.mp4.age"
        assert path.stat().st_size == recovery["kept_bytes"]
        paper[1].publish_trust(rig.layout.trust, rig.layout.identity)
        assert set(rig.verify()["finding_codes"]) <= {
            "gap-unexplained",
            "segment-recovered",
            "key-untrusted",
            "unanchored",
        }


@pytest.mark.timeout(90)
def test_two_cameras_are_two_accounts(paper: Paper, tmp_path: Path) -> None:
    """A vehicle: the death of one camera's worker interrupts that camera and no other."""
    overrides: dict[str, Any] = merged({"device": {"vehicle": True}, "cameras": {"cam0": CAMERA, "cam1": CAMERA}})
    with Rig(tmp_path / "run", paper[0], overrides) as rig:
        rig.start()
        rig.record()
        assert {segment.camera_id for segment in rig.view().segments.values()} == {"cam0", "cam1"}
        victim = rig.unit.status()["cameras"]["cam1"]["worker_pid"]
        os.kill(victim, signal.SIGKILL)
        rig.wait(lambda: bool(rig.of("resumption")), "the camera records again")
        rig.end_recording()
        assert rig.stop() == 0
        (gap,) = rig.of("interruption")
        assert (gap["camera_id"], gap["cause"]) == ("cam1", "worker-crash")
        recovered = {record["camera_id"] for record in rig.of("recovery")}
        assert recovered == {"cam1"}
        assert sorted(rig.of("session-start")[0]["cameras"]) == ["cam0", "cam1"]
        paper[1].publish_trust(rig.layout.trust, rig.layout.identity)
        verdict = rig.verify()
        assert verdict["unaccounted_s"] == 0.0
        assert verdict["gap_s"] == pytest.approx(gap_length_s(rig), abs=0.002)
        assert verdict["integrity"] in ("incomplete", "unsigned")


def gap_length_s(rig: Rig) -> float:
    return float(sum(record["duration_us"] for record in rig.of("resumption"))) / 1e6
