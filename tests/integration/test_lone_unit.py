"""Units with bad configuration, without network, store, trust or certificate: they record, and nothing says "valid"."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hw_sim.agency.authority import Authority
from tests.integration.rig import PaperAgency, Rig, recorder

Paper = tuple[PaperAgency, Authority]


def typo(text: str) -> str:
    return text.replace("segment_s = 3", "segmnt_s = 3")


def wrong_type(text: str) -> str:
    return text.replace("standby_interval_s = 1", 'standby_interval_s = "often"')


def no_recipients(text: str) -> str:
    return "\n".join("recipients = []" if line.startswith("recipients") else line for line in text.splitlines()) + "\n"


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (typo, "capture.segmnt_s"),
        (wrong_type, "session.standby_interval_s"),
        (no_recipients, "sealing.recipients"),
    ],
    ids=["typo", "wrong-type", "no-recipients"],
)
def test_a_bad_configuration_is_reported_and_the_unit_records(
    spoil: Callable[[str], str], key: str, paper: Paper, tmp_path: Path
) -> None:
    with Rig(tmp_path / "run", paper[0]) as rig:
        before = rig.config.read_text(encoding="utf-8")
        after = spoil(before)
        assert after != before
        rig.config.write_text(after, encoding="utf-8")

        checked = recorder("config", "check", str(rig.config))
        assert checked.returncode == 1
        assert str(rig.config) in checked.stdout and key in checked.stdout

        rig.start()
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        (config,) = rig.of("config")
        assert config["errors"] and any(key in error for error in config["errors"]), config
        assert config["status"] in ("fallback", "applied")
        assert rig.view().uploadable
        assert key in rig.log("unit"), "whoever reads the system's log is told too"


def test_a_file_that_is_no_toml_at_all_leaves_a_unit_that_says_so(paper: Paper, tmp_path: Path) -> None:
    """Without its file the unit does not even know its board: the simulated one is named by a second layer."""
    with Rig(tmp_path / "run", paper[0]) as rig:
        broken = tmp_path / "agency.toml"
        broken.write_text("[capture\nsegment_s = 3\n", encoding="utf-8")
        checked = recorder("config", "check", str(broken), str(rig.config))
        assert checked.returncode == 1
        assert f"{broken}:1" in checked.stdout
        assert recorder("config", "check", str(rig.config)).returncode == 0
        shown = recorder("config", "show", "--config", str(broken), "--config", str(rig.config))
        assert shown.returncode == 1


def test_a_board_file_with_a_pin_used_twice_costs_that_lamp_and_nothing_else(paper: Paper, tmp_path: Path) -> None:
    """A real board's file on simulated lines; ``recorder doctor`` looks at it beside the recording unit."""
    board = {"file": "body-worn-zero2w", "gpio": {"led_red": "GPIO17"}}
    with Rig(tmp_path / "run", paper[0], {"board": board}) as rig:
        checked = recorder("config", "check", str(rig.config))
        assert checked.returncode == 1 and "GPIO17 is already used by board.gpio.button_record" in checked.stdout
        rig.start()
        rig.record()
        examined = recorder("doctor", "--json", "--config", str(rig.config))
        rig.end_recording()
        assert rig.stop() == 0
        faults = [fault for fault in rig.of("fault") if fault["code"] == "device-fault"]
        assert [(fault["component"], fault["phase"]) for fault in faults] == [("led_red", "onset")]
        assert rig.view().uploadable
    found = {check["device"]: check for check in json.loads(examined.stdout)}
    assert (examined.returncode, found["world"]["verdict"], found["configuration"]["verdict"]) == (2, "ok", "fault")
    assert "device-fault" in found["unit"]["en"]


def test_nothing_but_a_camera_and_nobody_to_trust(paper: Paper, tmp_path: Path) -> None:
    """No network, no store, no trust folder, no certificate, no light sensor, no microphone, no receiver."""
    world = {"microphone.failure": "off", "gnss.failure": "off", "light.failure": "off", "clock_source": "none"}
    with Rig(tmp_path / "run", paper[0], world=world) as rig:
        rig.start()
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        paper[1].publish_trust(rig.layout.trust, rig.layout.identity)
        verdict = rig.verify()
        assert verdict["exit_code"] == 1
        assert verdict["key"] == "untrusted"
        assert verdict["anchor"] == "unanchored"
        assert "valid" not in verdict["sentence_en"].lower()
        assert not verdict["sentence_zh"].startswith("有效")
        assert verdict["integrity"] == "unsigned"
        assert rig.of("boot")[0]["x5c"] == []
        done = recorder("verify", str(rig.layout.unit), "--trust", str(rig.layout.trust))
        assert done.returncode == 1


@pytest.mark.parametrize("damage", ["garbage", "another-unit's"])
def test_a_certificate_that_cannot_be_used_is_a_fault_and_no_reason_to_stop(
    damage: str, paper: Paper, tmp_path: Path
) -> None:
    with Rig(tmp_path / "run", paper[0]) as rig:
        keys = rig.layout.unit / "keys"
        keys.mkdir(mode=0o700)
        text = "-----BEGIN" if damage == "garbage" else paper[1].ca_file.read_text(encoding="ascii")
        (keys / "device-cert.pem").write_text(text, encoding="ascii")
        rig.start()
        rig.record()
        assert rig.stop() == 0
        (fault,) = [fault for fault in rig.of("fault") if fault["code"] == "certificate-unusable"]
        assert "device-cert.pem" in fault["evidence"]["zh"]
        assert rig.of("boot")[0]["x5c"] == []


@pytest.mark.parametrize("ended", ["killed", "in order"])
def test_asking_a_unit_that_is_gone_says_so(ended: str, paper: Paper, tmp_path: Path) -> None:
    """Its last status is still there and says that it records: whoever reads that must not believe it."""
    with Rig(tmp_path / "run", paper[0]) as rig:
        rig.start()
        rig.record()
        alive = recorder("status", "--config", str(rig.config))
        assert alive.returncode in (0, 1) and "recording" in alive.stdout
        living = json.loads(recorder("status", "--json", "--config", str(rig.config)).stdout)
        assert (living["reachable"], living["standing"], living["recording"]) == (True, "fresh", True)
        if ended == "killed":
            rig.unit.kill("unit")
        else:
            rig.stop()
        gone = recorder("status", "--config", str(rig.config))
        assert gone.returncode == 2 and "cannot reach the unit" in gone.stderr
        assert "not of now" in gone.stdout or "just now" in gone.stdout
        left = recorder("status", "--json", "--config", str(rig.config))
        assert left.returncode == 2 and json.loads(left.stdout)["reachable"] is False


def test_a_unit_without_a_world_refuses_with_a_reason(paper: Paper, tmp_path: Path) -> None:
    """The one thing no unit can do without is its board."""
    with Rig(tmp_path / "run", paper[0]) as rig:
        rig.world.close()
        done = recorder("run", "--config", str(rig.config))
        assert done.returncode == 2
        assert "没有仿真世界" in done.stdout and "Traceback" not in done.stdout + done.stderr


def test_a_data_folder_that_is_a_file_is_a_reason_to_refuse(paper: Paper, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", paper[0]) as rig:
        occupied = tmp_path / "occupied"
        occupied.write_text("a file")
        done = recorder("run", "--config", str(rig.config), env={"RECORDER__STORAGE__DATA_DIR": str(occupied)})
        assert done.returncode == 2
        assert str(occupied) in done.stdout and "Traceback" not in done.stdout + done.stderr
