"""``recorder doctor``: on a machine without a single device, on the simulated board, as JSON, in both languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware_bridge.ports import BoardOptions, Check
from hw_sim.board import diagnose
from hw_sim.world import World
from recorder.cli import main
from recorder.doctor.command import line
from recorder.loading import load_diagnosis

ENGLISH = {"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_MESSAGES": ""}


@pytest.fixture
def unit_toml(tmp_path: Path) -> Path:
    path = tmp_path / "unit.toml"
    folders = (
        f'[storage]\ndata_dir = "{tmp_path / "data"}"\nrun_dir = "{tmp_path / "run"}"\n[trust]\ndir = "{tmp_path}"\n'
    )
    path.write_text(folders + '[board]\nfile = "body-worn-zero2w"\n', encoding="utf-8")
    return path


def doctor(config: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["doctor", "--config", str(config), *arguments], env={**ENGLISH, **env})


def test_on_a_machine_with_nothing_every_device_is_told_and_none_stops_the_rest(unit_toml: Path) -> None:
    result = doctor(unit_toml, "--json")
    assert result.exit_code == 2 and (result.exception is None or isinstance(result.exception, SystemExit))
    found = {check["device"]: check for check in json.loads(result.stdout)}
    assert {"configuration", "unit", "board", "camera.cam0", "camera.cam0.encoder", "microphone", "speaker"} <= set(
        found
    )
    assert {"gpio", "gnss", "gnss.pps", "battery", "thermal", "light", "rtc", "watchdog", "clock"} <= set(found)
    assert {"storage", "keys.device", "keys.certificate", "uplink"} <= set(found)
    assert not any("check failed" in check["en"] for check in found.values())
    assert all(check["zh"] and check["en"] for check in found.values())
    for check in found.values():
        assert check["verdict"] == "ok" or (check["advice_zh"] and check["advice_en"]), check


def test_in_words(unit_toml: Path) -> None:
    english, chinese = doctor(unit_toml), doctor(unit_toml, LANG="zh_CN.UTF-8")
    assert "✗ battery" in english.stdout and "dtparam=i2c_arm=on" in english.stdout and "check(s):" in english.stdout
    assert "项检查" in chinese.stdout and "没有运行" in chinese.stdout


def test_a_line_with_and_without_advice() -> None:
    check = Check("rtc", "warning", "看到", "seen", "做", "do")
    assert line(check, "en") == "! rtc                    seen\n                         → do"
    assert line(Check("rtc", "ok", "好", "well"), "zh") == "✓ rtc                    好"


def test_both_simulated_boards_and_that_of_the_pi_can_look_at_themselves() -> None:
    for module in ("hw_sim.board", "hw_sim.board_real", "firmware_bridge.raspberry_pi.board"):
        assert load_diagnosis(module) is not None, module


def test_a_board_that_cannot_look_at_itself_says_so_and_the_rest_is_looked_at(unit_toml: Path) -> None:
    """``tests.capture.board`` is a board module without ``diagnose``."""
    found = json.loads(doctor(unit_toml, "--json", RECORDER__BOARD__MODULE="tests.capture.board").stdout)
    board = next(check for check in found if check["device"] == "board")
    assert board["verdict"] == "warning" and board["advice_en"]
    assert "storage" in {check["device"] for check in found}


def seen(options: BoardOptions) -> list[Check]:
    return [check for _, look in diagnose(options, ["cam0"]) for check in look()]


def test_the_simulated_board(tmp_path: Path) -> None:
    options = {"world": str(tmp_path / "w")}
    with World({}, tmp_path / "w") as world:
        assert {check.verdict for check in seen(options) if check.device != "clock"} == {"ok"}
        world.set("camera.failure", "off")
        found = {check.device: check.verdict for check in seen(options)}
        assert found["camera.cam0"] == "fault" and found["microphone"] == "ok"
    (check,) = seen(options)
    assert (check.device, check.verdict) == ("world", "fault")
