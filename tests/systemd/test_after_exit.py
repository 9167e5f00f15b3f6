"""Every way the shipped processes end is one their unit files mean to be followed by a new process, or not."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from recorder.channel.exits import EXIT_INCOMPLETE
from recorder.daemon import CANNOT_START, LAST_RECORDS_LOST
from recorder.uplink.service import EXIT_OUTDATED
from tests.systemd.after_exit import AfterExit, after_exit
from tests.systemd.units import SYSTEMD

UNIT, UPLINK = SYSTEMD / "recorder-unit.service", SYSTEMD / "recorder-uplink.service"
WORKER = SYSTEMD / "recorder-capture@.service"


@pytest.mark.parametrize(
    ("unit", "status", "expected"),
    [
        (UNIT, 0, AfterExit(clean=True, again=True)),  # recorder ctl restart, or the agency's command
        (UNIT, LAST_RECORDS_LOST, AfterExit(clean=False, again=True)),
        (UNIT, CANNOT_START, AfterExit(clean=False, again=True)),
        (UNIT, -signal.SIGKILL, AfterExit(clean=False, again=True)),  # WatchdogSignal=
        (UNIT, -signal.SIGSEGV, AfterExit(clean=False, again=True)),
        (UPLINK, EXIT_OUTDATED, AfterExit(clean=True, again=True)),
        (UPLINK, 1, AfterExit(clean=False, again=True)),
        (WORKER, 0, AfterExit(clean=True, again=False)),
        (WORKER, EXIT_INCOMPLETE, AfterExit(clean=False, again=False)),
        (WORKER, -signal.SIGKILL, AfterExit(clean=False, again=False)),
    ],
)
def test_what_follows_an_end(unit: Path, status: int, expected: AfterExit) -> None:
    assert after_exit(unit, status) == expected
    assert not after_exit(unit, status, stopped=True).again


@pytest.mark.parametrize(
    ("settings", "status", "expected"),
    [
        ("Restart=on-failure\n", 0, AfterExit(clean=True, again=False)),
        ("Restart=on-failure\n", 2, AfterExit(clean=False, again=True)),
        ("Restart=on-success\nSuccessExitStatus=75 143\n", 143, AfterExit(clean=True, again=True)),
        ("Restart=always\nRestartPreventExitStatus=0\n", 0, AfterExit(clean=True, again=False)),
        ("Restart=no\nRestartForceExitStatus=75\n", 75, AfterExit(clean=False, again=True)),
        ("", 0, AfterExit(clean=True, again=False)),
        ("Restart=on-failure\n", -signal.SIGTERM, AfterExit(clean=True, again=False)),
    ],
)
def test_the_settings_are_read_as_the_manual_has_them(
    settings: str, status: int, expected: AfterExit, tmp_path: Path
) -> None:
    unit = tmp_path / "x.service"
    unit.write_text(f"[Service]\n{settings}", encoding="ascii")
    assert after_exit(unit, status) == expected
