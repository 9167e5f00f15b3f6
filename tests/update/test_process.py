"""The processes around it: tokens, switched off, and a whole carrier against the stand-in; dpkg by a stand-in program."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from firmware_bridge.clock import SystemClock
from recorder.config.last_good import LAST_GOOD, PUSHED
from recorder.config.load import load_config
from recorder.config.models import RecorderConfig
from recorder.update import places, process
from recorder.update.manifest import Refused
from recorder.update.programs import Dpkg, ProgramError, Rauc
from recorder.update.settings import UpdateSettings, minutes, settings_from_json, settings_of
from tests.update.ddi_server import TOKEN, DdiServer
from tests.update.kit import ARTEFACT, signed
from tests.uplink.pki import UNIT, Pki


def defaults() -> RecorderConfig:
    return load_config([], {}, Path("/nonexistent")).config


def settings(root: Path, pki: Pki, url: str) -> UpdateSettings:
    return msgspec.structs.replace(
        settings_of(defaults()),
        unit_id=UNIT,
        data_dir=str(root),
        run_dir=str(root / "run"),
        trust_dir=str(root),
        enabled=True,
        url=url,
        token_file=str(root / "token"),
        ca_file=str(pki.ca),
        root_dir=str(root / "root"),
    )


def test_settings_cross_over(tmp_path: Path, pki: Pki) -> None:
    made = settings(tmp_path, pki, "https://h")
    assert settings_from_json(made.to_json()) == made and not settings_of(defaults()).enabled
    with pytest.raises(ValueError, match="unit_id"):
        settings_from_json(b"{}")
    assert (minutes("23:59"), process.minute_of_day(16 * 3600 * 10**6)) == (1439, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc\n", "TargetToken abc"),
        ("GatewayToken x", "GatewayToken x"),
        ("absent", None),
        ("", None),
        ("Basic x", None),
    ],
)
def test_tokens(tmp_path: Path, pki: Pki, text: str, expected: str | None) -> None:
    (tmp_path / "token").write_text(text)
    made = settings(tmp_path, pki, "https://h")
    if expected is None:
        with pytest.raises(ValueError, match="TargetToken"):
            process.authorization(made, "")
        assert process.carry(made, SystemClock(), threading.Event()) == 78
    else:
        assert process.authorization(made, "") == expected


def test_a_unit_without_the_key_reports_a_failure(tmp_path: Path, pki: Pki, server: DdiServer) -> None:
    (tmp_path / "token").write_text(TOKEN)
    server.offer("8", {"update.jws": signed().encode(), "zfy-recorder.deb": ARTEFACT})
    stop = threading.Event()
    running = threading.Thread(
        target=process.carry, args=(settings(tmp_path, pki, server.url), SystemClock(), stop), daemon=True
    )
    running.start()
    try:
        for _ in range(200):
            if server.closed("8") or stop.wait(0.1):
                break
        assert server.closed("8") == ["failure"]
        assert "update-key-missing" in server.feedback[-1][2]["status"]["details"][0]
    finally:
        stop.set()
        running.join(10)
    assert not running.is_alive() and not (tmp_path / "update" / places.ORDER).exists()


def test_what_dpkg_is_told(tmp_path: Path) -> None:
    told, script = tmp_path / "told", tmp_path / "dpkg"
    script.write_text(f'#!/bin/sh\necho "$@" >> {told}\ncase "$*" in *bad*) echo no; exit 1;; esac\n')
    script.chmod(0o755)
    dpkg, artefact = Dpkg(tmp_path, dpkg=(str(script),)), tmp_path / "artefact"
    artefact.write_bytes(b"new")
    assert not dpkg.way_back("0.1.0")
    dpkg.install(artefact)
    dpkg.commit(artefact, "0.2.0")
    dpkg.commit(artefact, "0.2.0")
    assert dpkg.way_back("0.2.0") and dpkg.roll_back("0.2.0", "0.3.0", answers=True)
    lines = told.read_text().splitlines()
    assert lines[1] == f"--force-confold --refuse-downgrade --install {artefact}"
    assert lines[3] == f"--force-confold --force-downgrade --install {places.kept(tmp_path, '0.2.0')}"
    with pytest.raises(ProgramError, match="no"):
        dpkg.install(tmp_path / "bad")


def test_the_installer_is_not_led_elsewhere_by_the_unit_process(tmp_path: Path) -> None:
    """A damaged push and a "last good" of one's own making: what a taken-over unit process could write."""
    own, others, data = tmp_path / "own", tmp_path / "others", tmp_path / "data"
    for folder in (own, others, data / "config"):
        folder.mkdir(parents=True)
    (others / places.STATE).write_bytes(b"{")
    (data / PUSHED).write_text("[", encoding="utf-8")
    layer = {"name": str(data / PUSHED), "kind": "pushed", "data": {"update": {"root_dir": str(others)}}}
    stored = {"version": 1, "sha256": "x", "layers": [layer]}
    (data / LAST_GOOD).write_text(json.dumps(stored), encoding="utf-8")
    unit = tmp_path / "unit.toml"
    unit.write_text(
        f'[storage]\ndata_dir = "{data}"\nrun_dir = "{tmp_path}"\n[update]\nroot_dir = "{own}"\n', encoding="utf-8"
    )
    assert load_config([unit], {}).config.update.root_dir == str(others), "the unit process itself falls for it"
    command = [sys.executable, "-m", "recorder", "update", "--install", "--config", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", ["../../mine/0.1.0", "/mine/0.1.0", "", "0.1.0\n", "0" * 65, ".."])
def test_the_way_back_is_a_package_root_has_kept_whatever_the_unit_calls_its_version(
    tmp_path: Path, version: str
) -> None:
    """status.json is the unit process's: a version that is a path would have root install what lies there."""
    told, script = tmp_path / "told", tmp_path / "dpkg"
    script.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    script.chmod(0o755)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "0.1.0.deb").write_bytes(b"evil")
    (tmp_path / "root" / places.KEPT).mkdir(parents=True)
    dpkg = Dpkg(tmp_path / "root", dpkg=(str(script),))
    assert not dpkg.way_back(version)
    with pytest.raises(ValueError, match="no version"):
        dpkg.roll_back(version, "0.2.0", answers=True)
    assert not told.exists()


@pytest.mark.parametrize("works", [True, False])
def test_a_unit_that_does_not_answer_is_stopped_to_go_back_and_started_whatever_comes_of_it(
    tmp_path: Path, works: bool
) -> None:
    """Its preinst would refuse (debian/preinst, debian/lib/is-recording): it runs, or is between starts, and is mute."""
    told, dpkg, systemctl = tmp_path / "told", tmp_path / "dpkg", tmp_path / "systemctl"
    dpkg.write_text(f'#!/bin/sh\necho "dpkg $3" >> {told}\n{"" if works else "exit 1"}\n')
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    for script in (dpkg, systemctl):
        script.chmod(0o755)
    (tmp_path / places.KEPT).mkdir()
    places.kept(tmp_path, "0.1.0").write_bytes(b"old")
    program = Dpkg(tmp_path, (str(dpkg),), (str(systemctl),))
    if works:
        assert program.roll_back("0.1.0", "0.2.0", answers=False)
    else:
        with pytest.raises(ProgramError):
            program.roll_back("0.1.0", "0.2.0", answers=False)
    lines = told.read_text().splitlines()
    assert lines == [
        "stop recorder-unit.service",
        "dpkg --pending",
        "dpkg --install",
        "start --no-block recorder-unit.service",
    ]


def test_the_slot_that_was_good_is_not_marked_bad(tmp_path: Path) -> None:
    """Back in it, the unit process may take a while to say so: what runs is known from this process's own version."""
    told, rauc = tmp_path / "told", tmp_path / "rauc"
    rauc.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    rauc.chmod(0o755)
    program = Rauc(str(rauc), (str(rauc), "reboot"))
    assert not program.roll_back("0.1.0", "0.2.0", answers=False)
    assert program.roll_back("0.1.0", "0.1.0", answers=False)
    assert told.read_text().splitlines() == [
        "status mark-bad",
        "status mark-active other",
        "reboot",
        "status mark-good",
    ]


def test_an_installer_that_is_switched_off_installs_nothing(tmp_path: Path, pki: Pki) -> None:
    """Its path unit may be enabled: the setting alone decides, and the order does not start it again and again."""
    made = msgspec.structs.replace(settings(tmp_path, pki, "https://h"), enabled=False)
    assert isinstance(verdict := process.verifier(made)(signed()), Refused) and verdict.code == "update-off"
    verdict = process.verifier(msgspec.structs.replace(made, enabled=True))(signed())
    assert isinstance(verdict, Refused) and verdict.code == "update-key-missing"
