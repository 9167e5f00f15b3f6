"""The units are valid and tight, by systemd's own judgement (no running systemd is needed)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from recorder.uplink.service import EXIT_OUTDATED
from tests.support import require_program
from tests.systemd.units import SERVICES, SYSTEMD, UNITS, lay_out, setting

THRESHOLD = "20"
"""Exposure times ten, as systemd-analyze wants it: 2.0 and better is "OK"."""

ENDLESS = ("recorder-unit.service", "recorder-uplink.service", "recorder-capture@.service")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = require_program("systemd-analyze")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


def verify(unit: Path) -> subprocess.CompletedProcess[str]:
    # Without --recursive-errors=no systemd 252 exits 0 on unknown keys and bad values.
    return analyze("verify", "--recursive-errors=no", "--man=no", str(unit))


@pytest.mark.parametrize("name", [unit.name for unit in UNITS])
def test_the_unit_is_valid(name: str, tmp_path: Path) -> None:
    done = verify(lay_out(tmp_path)[name])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("recorder-unit.service", "WatchdogSec=15s", "WatchdogSec=abc"),
        ("recorder-capture@.service", "WatchdogSignal=SIGKILL", "WatchdogSignl=SIGKILL"),
        ("recorder-capture.socket", "Accept=yes", "Accept=perhaps"),
    ],
)
def test_a_typo_would_be_noticed(name: str, good: str, bad: str, tmp_path: Path) -> None:
    broken = lay_out(tmp_path)[name]
    text = broken.read_text(encoding="utf-8")
    assert good in text
    broken.write_text(text.replace(good, bad))
    assert verify(broken).returncode != 0


INSTALLER = "recorder-update-install.service"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_unit_is_tight(unit: Path) -> None:
    done = analyze("security", "--offline=yes", f"--threshold={THRESHOLD}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout[-600:] + done.stderr


def test_the_installer_of_updates_keeps_what_packages_need_and_no_more() -> None:
    """root, but of files alone: owners and modes; the folders of packages; their ordinary system calls."""
    unit = SYSTEMD / INSTALLER
    left = allowed(unit)
    assert {"fchownat", "fchmodat", "renameat2", "fsync", "sync_file_range", "umask", "setgid", "kill"} <= left
    assert left.isdisjoint({"mount", "ptrace", "reboot", "init_module", "swapon", "settimeofday", "chroot", "bpf"})
    capabilities = set(" ".join(setting(unit, "CapabilityBoundingSet")).split())
    assert {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID"} <= capabilities
    assert capabilities.isdisjoint({"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_NET_ADMIN", "CAP_MKNOD"})
    assert setting(unit, "ProtectSystem") == ["strict"]
    assert setting(unit, "ReadWritePaths") == ["/usr /etc /var /run"]
    # ``recorder status`` looks for the uplink's process in /proc; without CAP_SYS_PTRACE it must not be hidden there.
    assert setting(unit, "ProtectProc") == []


def test_the_installer_of_updates_has_no_network_and_is_started_by_its_files_alone() -> None:
    unit, path = SYSTEMD / INSTALLER, SYSTEMD / "recorder-update-install.path"
    assert setting(unit, "PrivateNetwork") == ["yes"] and setting(unit, "NoNewPrivileges") == ["yes"]
    assert "AF_INET" not in " ".join(setting(unit, "RestrictAddressFamilies"))
    assert setting(unit, "WantedBy") == []
    watched = setting(path, "PathExists")
    assert watched == ["/var/lib/recorder/update/order.json", "/var/lib/recorder-update/unfinished"]


def test_who_downloads_updates_reaches_no_evidence_no_key_and_not_the_installers_folder() -> None:
    unit = SYSTEMD / "recorder-update.service"
    assert setting(unit, "ReadWritePaths") == ["-/var/lib/recorder/update"]
    hidden = " ".join(setting(unit, "InaccessiblePaths"))
    assert all(f"/var/lib/recorder/{name}" in hidden for name in ("keys", "journal", "segments", "statements"))
    assert setting(unit, "User") == ["recorder-update"]


@pytest.mark.parametrize("name", ENDLESS)
def test_systemd_never_gives_up_on_it(name: str) -> None:
    assert setting(SYSTEMD / name, "StartLimitIntervalSec") == ["0"]


def test_a_capture_worker_is_started_only_by_the_unit_process() -> None:
    """Its failures are counted there, and only its user may open the socket."""
    socket_unit, worker = SYSTEMD / "recorder-capture.socket", SYSTEMD / "recorder-capture@.service"
    assert setting(worker, "Restart") == ["no"] and setting(worker, "WatchdogSignal") == ["SIGKILL"]
    assert setting(socket_unit, "SocketUser") == setting(SYSTEMD / "recorder-unit.service", "User")
    assert setting(socket_unit, "SocketMode") == ["0600"]
    assert setting(socket_unit, "TriggerLimitIntervalSec") == ["0"]


@pytest.mark.parametrize("name", ["recorder-unit.service", "recorder-capture@.service"])
def test_what_sees_evidence_sees_no_network(name: str) -> None:
    assert setting(SYSTEMD / name, "PrivateNetwork") == ["yes"]
    assert "AF_INET" not in " ".join(setting(SYSTEMD / name, "RestrictAddressFamilies"))


def calls_of(group: str) -> set[str]:
    """The system calls of a group such as ``@clock``, as this systemd knows them."""
    lines = [line.strip() for line in analyze("syscall-filter", group).stdout.splitlines()[1:]]
    named = [line for line in lines if line and not line.startswith("#")]
    return {call for name in named for call in (calls_of(name) if name.startswith("@") else {name})}


def allowed(unit: Path) -> set[str]:
    """What is left after each line of ``SystemCallFilter=`` in turn (systemd.exec(5))."""
    left: set[str] = set()
    for value in setting(unit, "SystemCallFilter"):
        names = value.removeprefix("~").split()
        calls = {call for name in names for call in (calls_of(name) if name.startswith("@") else {name})}
        left = left - calls if value.startswith("~") else left | calls
    return left


@pytest.mark.parametrize("name", ["recorder-unit.service", "recorder-capture@.service"])
def test_who_signs_a_time_may_ask_what_it_is_worth_and_not_set_it(name: str) -> None:
    """``SystemClock.quality`` is adjtimex(3), which the C library turns into clock_adjtime(2)."""
    unit = SYSTEMD / name
    left = allowed(unit)
    assert {"adjtimex", "clock_adjtime", "clock_gettime"} <= left
    assert left.isdisjoint({"clock_settime", "settimeofday", "reboot", "mount"})
    assert "ProtectClock" not in unit.read_text(encoding="utf-8").replace("ProtectClock= forbids", "")
    assert setting(unit, "CapabilityBoundingSet") == [""]


def test_each_process_has_its_own_devices() -> None:
    def devices(name: str) -> str:
        return " ".join(setting(SYSTEMD / name, "DeviceAllow"))

    unit, worker = devices("recorder-unit.service"), devices("recorder-capture@.service")
    assert "video4linux" in worker and "video4linux" not in unit
    assert "gpiochip" in unit and "gpiochip" not in worker
    assert setting(SYSTEMD / "recorder-uplink.service", "PrivateDevices") == ["yes"]


def test_enabling_the_target_enables_every_part(tmp_path: Path) -> None:
    """docs/install.md enables recorder.target alone: its parts start at boot, and disabling it leaves nothing behind."""
    systemctl = require_program("systemctl")
    installed, links = tmp_path / "usr/lib/systemd/system", tmp_path / "etc/systemd/system"
    installed.mkdir(parents=True)
    for unit in UNITS:
        shutil.copy(unit, installed)

    def after(verb: str) -> set[str]:
        command = [systemctl, f"--root={tmp_path}", verb, "recorder.target"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return {str(path.relative_to(links)) for path in links.rglob("*") if path.is_symlink()}

    parts = {unit.name for unit in UNITS if setting(unit, "WantedBy") == ["recorder.target"]}
    assert parts == {"recorder-unit.service", "recorder-capture.socket", "recorder-uplink.service"}
    enabled = after("enable")
    assert enabled == {"multi-user.target.wants/recorder.target", *(f"recorder.target.wants/{name}" for name in parts)}
    assert after("disable") == set()


def test_a_missing_key_for_the_network_stops_nothing() -> None:
    """A credential that cannot be loaded ends a service before it starts (243) unless it has a default."""
    uplink = SYSTEMD / "recorder-uplink.service"
    loaded = {value.split(":")[0] for value in setting(uplink, "LoadCredential")}
    defaults = dict(value.split(":", 1) for value in setting(uplink, "SetCredential"))
    assert loaded == {"client-key.pem"} == set(defaults) and all(defaults.values())
    for name in ("recorder-unit.service", "recorder-capture@.service"):
        assert not setting(SYSTEMD / name, "LoadCredential")


def test_an_uplink_that_wants_new_credentials_has_not_failed() -> None:
    uplink = SYSTEMD / "recorder-uplink.service"
    assert setting(uplink, "SuccessExitStatus") == [str(EXIT_OUTDATED)] and setting(uplink, "Restart") == ["always"]
