"""What install.md asks of the system, on files like Debian's: each thing that is not so is one line with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import Check
from firmware_bridge.raspberry_pi.checks import system
from firmware_bridge.raspberry_pi.options import OptionReader
from tests.firmware_bridge.raspberry_pi.checks.test_kernel import only

CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t71\t1\nmemory\t0\t71\t{}\n"
NOBODY = frozenset[int]()


@pytest.fixture
def files(tmp_path: Path) -> system.SystemFiles:
    """A system on which nothing is there."""
    (tmp_path / "chrony").mkdir()
    (tmp_path / "log").mkdir(mode=0o750)
    return system.SystemFiles(
        controllers=tmp_path / "cgroup.controllers",
        cgroups=tmp_path / "cgroups",
        crypttab=tmp_path / "crypttab",
        fstab=tmp_path / "fstab",
        cryptsetup=tmp_path / "generator",
        chrony_config=(tmp_path / "chrony.conf", tmp_path / "chrony"),
        tracking=tmp_path / "log" / "tracking.log",
    )


@pytest.mark.parametrize(
    ("controllers", "enabled", "verdict"),
    [
        ("cpuset cpu io memory pids", None, "ok"),
        ("cpuset cpu io pids", None, "warning"),
        ("cpuset cpu io pids", "0", "warning"),
        ("", "1", "ok"),
        (None, "1", "ok"),
        (None, "0", "warning"),
        (None, None, "warning"),
    ],
)
def test_the_memory_controller(
    files: system.SystemFiles, controllers: str | None, enabled: str | None, verdict: str
) -> None:
    if controllers is not None:
        files.controllers.write_text(f"{controllers}\n", encoding="ascii")
    if enabled is not None:
        files.cgroups.write_text(CGROUPS.format(enabled), encoding="ascii")
    check = only(system.memory(files))
    assert (check.device, check.verdict) == ("memory", verdict)
    if verdict != "ok":
        assert "cgroup_enable=memory" in check.advice_zh and "cgroup_enable=memory" in check.advice_en
    assert ("no cgroup files" in check.en) == (controllers is None and enabled is None)


def test_a_system_without_encryption_is_not_asked_for_it(files: system.SystemFiles) -> None:
    assert list(system.encryption(files)) == []
    files.crypttab.write_text("# <target name> <source device> <key file> <options>\n\n", encoding="ascii")
    files.fstab.write_text("/dev/mmcblk0p3 /var/lib/recorder ext4 noatime 0 2\n", encoding="ascii")
    assert list(system.encryption(files)) == []


def test_a_crypttab_needs_systemd_cryptsetup(files: system.SystemFiles) -> None:
    files.crypttab.write_text("recorder-data /dev/mmcblk0p3 none luks,discard,tpm2-device=auto\n", encoding="ascii")
    check = only(system.encryption(files))
    assert check.verdict == "fault" and check.advice_en == "apt install systemd-cryptsetup"
    files.cryptsetup.write_text("", encoding="ascii")
    assert only(system.encryption(files)).verdict == "ok"


def test_an_fstab_that_mounts_what_no_crypttab_opens(files: system.SystemFiles) -> None:
    files.fstab.write_text("/dev/mapper/recorder-data /var/lib/recorder ext4 noatime,nofail 0 2\n", encoding="ascii")
    check = only(system.encryption(files))
    assert check.verdict == "fault" and "crypttab" in check.advice_zh and "crypttab" in check.advice_en


def chrony_with(files: system.SystemFiles, *directives: str) -> None:
    files.chrony_config[0].write_text("server ntp.agency.example iburst nts\n", encoding="ascii")
    (files.chrony_config[1] / "tracking.conf").write_text("\n".join(directives) + "\n", encoding="ascii")


def looked(files: system.SystemFiles, groups: frozenset[int] | None, **options: str) -> Iterator[Check]:
    return system.timekeeper(OptionReader(options), files, lambda user: groups)


def test_chrony_is_asked_for_only_where_the_board_has_a_pulse(files: system.SystemFiles) -> None:
    assert list(looked(files, NOBODY)) == []
    check = only(looked(files, NOBODY, gnss_pps="/dev/pps0"))
    assert check.verdict == "warning" and "apt install chrony" in check.advice_en


@pytest.mark.parametrize("directive", ["", "#log tracking", "log measurements", "logdir /var/log/chrony"])
def test_chrony_has_to_log_what_it_follows(files: system.SystemFiles, directive: str) -> None:
    chrony_with(files, directive)
    check = only(looked(files, NOBODY))
    assert check.verdict == "warning" and "log tracking" in check.advice_zh and "log tracking" in check.advice_en


def test_the_units_users_have_to_be_able_to_read_it(files: system.SystemFiles) -> None:
    chrony_with(files, "log measurements Tracking")
    files.tracking.write_text("2026-11-26 12:00:00 PPS 1 …\n", encoding="utf-8")
    files.tracking.chmod(0o640)
    check = only(looked(files, NOBODY))
    assert check.verdict == "warning"
    assert "sudo usermod -aG _chrony recorder && sudo usermod -aG _chrony recorder-capture" in check.advice_en
    mine = frozenset({files.tracking.stat().st_gid})
    assert only(looked(files, mine)).verdict == "ok"
    files.tracking.chmod(0o600)
    assert only(looked(files, mine)).verdict == "warning"


def test_where_the_users_are_not_there_nobody_is_asked_about(files: system.SystemFiles) -> None:
    chrony_with(files, "log tracking")
    files.tracking.write_text("a line\n", encoding="utf-8")
    assert only(looked(files, None)).verdict == "ok"
    assert system.groups_of("nobody-of-this-name") is None
    assert 0 in (system.groups_of("root") or ())


def test_a_log_without_a_line_says_nothing_yet(files: system.SystemFiles) -> None:
    chrony_with(files, "log tracking")
    check = only(looked(files, frozenset({files.tracking.parent.stat().st_gid})))
    assert check.verdict == "warning" and "chronyc sources" in check.advice_en


def test_a_folder_that_may_not_be_entered_is_no_empty_log(files: system.SystemFiles) -> None:
    chrony_with(files, "log tracking")
    checks = system.timekeeper(OptionReader({}), files, lambda user: None, lambda folder: False)
    assert "sudo" in only(checks).advice_en
