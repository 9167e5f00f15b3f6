"""The scripts of the package as the shell runs them: what they let happen for each answer of the unit. systemd, the
recorder and Python's tools are stand-ins; the real ones are met in tests/package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.package.payload import destination, tracked

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = "usr/share/zfy-recorder/unit"
YES, NO, CANNOT_SAY = 0, 1, 2

FRESH = {"reachable": True, "standing": "fresh"}
ANSWERS = {
    "stopped": ("inactive", 2, {}, NO),
    "given up": ("failed", 2, {}, NO),
    # After a crash the session is still open, and the next start goes on with it.
    "between two starts": ("activating", 2, {}, CANNOT_SAY),
    "ending": ("deactivating", 2, {}, CANNOT_SAY),
    "systemd away": ("", 2, {}, CANNOT_SAY),
    "recording": ("active", 0, {**FRESH, "recording": True}, YES),
    "recording with faults": ("active", 1, {**FRESH, "recording": True}, YES),
    "idle": ("active", 0, {**FRESH, "recording": False}, NO),
    "idle with faults": ("active", 1, {**FRESH, "recording": False}, NO),
    "idle and reading its settings": ("reloading", 0, {**FRESH, "recording": False}, NO),
    "unreachable": ("active", 2, {**FRESH, "reachable": False, "recording": False}, CANNOT_SAY),
    "silent": ("active", 0, {**FRESH, "standing": "silent", "recording": False}, CANNOT_SAY),
    "of another boot": ("active", 0, {**FRESH, "standing": "other-boot", "recording": False}, CANNOT_SAY),
    "no word at all": ("active", 1, {**FRESH, "standing": "absent"}, CANNOT_SAY),
    "recording is no truth value": ("active", 0, {**FRESH, "recording": None}, CANNOT_SAY),
}


@dataclass(frozen=True, slots=True)
class Unit:
    """The files a script looks at, below a folder of the test's own."""

    root: Path

    def put(self, path: str, text: str, mode: int = 0o755) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        file.chmod(mode)
        return file

    def script(self, source: str, path: str) -> Path:
        """A script of debian/, its absolute paths turned to this folder's."""
        text = (ROOT / "debian" / source).read_text(encoding="utf-8").replace("@UNITS@", "recorder-unit.service")
        for place in ("/run/", "/usr/lib/zfy-recorder", "/usr/share/zfy-recorder", "/usr/bin/recorder", "/etc/"):
            text = text.replace(place, f"{self.root}{place}")
        return self.put(path, text)

    def answer(self, state: str, code: int, status: object, restarts: int = 1) -> None:
        """``restarts``: exit of ``recorder ctl restart``; 1: the unit is away, or of a version that does not know it."""
        self.put(
            "bin/systemctl",
            f'#!/bin/sh\necho "$*" >>{self.root}/asked\n'
            f"case $* in *ActiveState*) echo {state} ;; *is-active*) exit 3 ;; esac\n",
        )
        restart = f'case "$*" in "ctl restart") echo "$*" >>{self.root}/asked; exit {restarts} ;; esac\n'
        self.put("usr/bin/recorder", f"#!/bin/sh\n{restart}cat <<'TEXT'\n{json.dumps(status)}\nTEXT\nexit {code}\n")

    def run(self, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}"}
        return subprocess.run(
            [str(script), *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
        )

    def asked(self) -> list[str]:
        return (self.root / "asked").read_text(encoding="utf-8").splitlines()


@pytest.fixture
def unit(tmp_path: Path) -> Unit:
    made = Unit(tmp_path)
    (tmp_path / "run/systemd/system").mkdir(parents=True)
    made.put("usr/lib/zfy-recorder/bin/python3", f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for tool in ("py3clean", "systemd-run"):
        made.put(f"bin/{tool}", f'#!/bin/sh\necho "{tool} $*" >>{tmp_path}/asked\n')
    made.script("lib/is-recording", "usr/lib/zfy-recorder/is-recording")
    made.script("lib/unit-setup", "usr/lib/zfy-recorder/unit-setup")
    return made


@pytest.mark.parametrize("case", ANSWERS)
def test_only_a_unit_that_says_so_is_not_recording(unit: Unit, case: str) -> None:
    state, code, status, expected = ANSWERS[case]
    unit.answer(state, code, status)
    assert unit.run(unit.root / "usr/lib/zfy-recorder/is-recording").returncode == expected


@pytest.mark.parametrize("case", ANSWERS)
@pytest.mark.parametrize(("script", "argument"), [("preinst", "upgrade"), ("prerm", "remove")])
def test_the_package_changes_only_where_nothing_is_recorded(unit: Unit, script: str, argument: str, case: str) -> None:
    state, code, status, expected = ANSWERS[case]
    unit.answer(state, code, status)
    done = unit.run(unit.script(script, f"DEBIAN/{script}"), argument)
    assert done.returncode == (0 if expected == NO else 1), done.stderr
    assert ("正在记录" in done.stderr, "不答复" in done.stderr) == (expected == YES, expected == CANNOT_SAY)
    stopped = any(line.startswith("disable") for line in unit.asked())
    assert stopped == (script == "prerm" and expected == NO)


@pytest.mark.parametrize("case", ANSWERS)
def test_a_new_version_starts_only_where_nothing_is_recorded(unit: Unit, case: str) -> None:
    state, code, status, expected = ANSWERS[case]
    unit.answer(state, code, status)
    assert unit.run(unit.script("lib/restart-when-idle", "usr/lib/zfy-recorder/restart-when-idle")).returncode == 0
    waits = any(line.startswith("systemd-run") for line in unit.asked())
    assert ("try-restart recorder-unit.service" in unit.asked(), waits) == (expected == NO, expected != NO)


def test_a_unit_that_restarts_by_itself_is_left_to_it(unit: Unit) -> None:
    unit.answer("active", 0, {**FRESH, "recording": True}, restarts=0)
    assert unit.run(unit.script("lib/restart-when-idle", "usr/lib/zfy-recorder/restart-when-idle")).returncode == 0
    assert unit.asked() == ["try-restart recorder-uplink.service recorder-update.service", "ctl restart"]


def test_without_systemd_nothing_runs(unit: Unit) -> None:
    (unit.root / "run/systemd/system").rmdir()
    unit.answer("active", 0, {**FRESH, "recording": True})
    assert unit.run(unit.root / "usr/lib/zfy-recorder/is-recording").returncode == NO


def machine_wide(unit: Unit) -> dict[str, Path]:
    """Each link in /etc and where it should lead, the files laid out as the package has them."""
    links = {}
    for path in tracked(ROOT, "systemd"):
        place = destination(path.relative_to("systemd"))
        if place is None or not place.is_relative_to(SHIPPED):
            continue
        file = unit.put(str(place), (ROOT / path).read_text(encoding="utf-8"), 0o644)
        folder, name = place.relative_to(SHIPPED).parts
        links[f"etc/{'sysctl.d' if folder == 'sysctl.d' else f'systemd/{folder}'}/{name}"] = file
    return links


def test_a_machine_is_a_recording_unit_only_when_told(unit: Unit) -> None:
    """The same package is the verifier on an agency's computer: no watchdog and no bounds come with installing it."""
    wanted = machine_wide(unit)
    assert {file.parent.name for file in wanted.values()} == {"journald.conf.d", "system.conf.d", "sysctl.d"}
    for script, argument in (("preinst", "install"), ("prerm", "upgrade")):
        assert unit.run(unit.script(script, f"DEBIAN/{script}"), argument).returncode == 0
    assert not [path for path in wanted if (unit.root / path).exists()]

    setup = unit.root / "usr/lib/zfy-recorder/unit-setup"
    for _ in range(2):
        assert unit.run(setup).returncode == 0
        assert {path: (unit.root / path).resolve() for path in wanted} == wanted


def test_a_removal_undoes_it(unit: Unit) -> None:
    wanted = machine_wide(unit)
    unit.answer("inactive", 2, {})
    assert unit.run(unit.root / "usr/lib/zfy-recorder/unit-setup").returncode == 0
    assert unit.run(unit.script("prerm", "DEBIAN/prerm"), "remove").returncode == 0
    assert not [path for path in wanted if (unit.root / path).is_symlink()]


def test_an_administrators_own_file_stays(unit: Unit) -> None:
    wanted = machine_wide(unit)
    own, *others = wanted
    unit.put(own, "[Journal]\n", 0o644)
    setup = unit.root / "usr/lib/zfy-recorder/unit-setup"
    done = unit.run(setup)
    assert done.returncode == 1 and own in done.stderr
    assert all((unit.root / path).is_symlink() for path in others)
    assert unit.run(setup, "--undo").returncode == 0
    assert (unit.root / own).read_text(encoding="utf-8") == "[Journal]\n"
    assert not [path for path in others if (unit.root / path).is_symlink()]
    assert unit.run(setup, "--other").returncode == 2


@pytest.mark.parametrize(
    ("active", "load", "expected"),
    [
        ("active", "loaded", 0),
        ("active", "masked", 0),  # by hand
        ("inactive", "not-found", 0),  # the data is on the root, where nothing else was ever meant
        ("inactive", "masked", 0),
        ("inactive", "loaded", 1),
        ("activating", "loaded", 1),
        ("failed", "loaded", 1),
        ("inactive", "bad-setting", 1),  # a line that systemd cannot read: there was to be a partition
        ("", "", 1),  # systemd did not answer
    ],
)
def test_a_service_starts_only_on_the_data_partition_where_there_is_to_be_one(
    unit: Unit, active: str, load: str, expected: int
) -> None:
    said = f"LoadState={load}\\nActiveState={active}\\n" if load else ""
    unit.put("bin/systemctl", f"#!/bin/sh\nprintf '{said}'\nexit {int(not load)}\n")
    unit.put("bin/sleep", f'#!/bin/sh\necho "sleep $*" >>{unit.root}/asked\n')
    shutil.copy(ROOT / "debian/lib/await-data", unit.root / "await-data")
    done = unit.run(unit.root / "await-data")
    assert done.returncode == expected, done.stderr
    if expected:
        assert "数据分区未挂载" in done.stderr
        assert unit.asked() == ["sleep 5"], "tries are bounded"
    else:
        assert done.stderr == "" and not (unit.root / "asked").exists()
