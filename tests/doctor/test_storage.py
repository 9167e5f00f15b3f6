"""The card: where the data folder lies, and how long a write takes to become durable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.ports import Check
from recorder.config.models import RecorderConfig
from recorder.doctor.storage import Mount, mount_of, storage
from tests.firmware_bridge.manual_clock import ManualClock
from tests.unit.unit_kit import configuration

MOUNTS = """\
22 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
23 22 179:3 / /var/lib/recorder rw,noatime shared:2 - ext4 /dev/mmcblk0p3 rw
24 22 0:21 / /run rw,nosuid - tmpfs tmpfs rw
25 22 179:4 / /media/U\\040disk ro - vfat /dev/sda1 ro
"""


@pytest.mark.parametrize(
    ("path", "mount"),
    [
        ("/var/lib/recorder", Mount("/var/lib/recorder", "ext4", ("rw", "noatime"))),
        ("/var/lib/recorder/segments", Mount("/var/lib/recorder", "ext4", ("rw", "noatime"))),
        ("/var/lib/recorder2", Mount("/", "ext4", ("rw", "noatime"))),
        ("/media/U disk/x", Mount("/media/U disk", "vfat", ("ro",))),
    ],
)
def test_which_mount_a_folder_is_on(path: str, mount: Mount) -> None:
    assert mount_of(Path(path), MOUNTS) == mount


def test_unreadable_mounts_are_not_known() -> None:
    assert mount_of(Path("/x"), "") is None and mount_of(Path("/x"), "nonsense\n1 2 3 - \n") is None


def looked(config: RecorderConfig, mounts: str, clock: ManualClock | None = None) -> dict[str, Check]:
    checks: Iterator[Check] = storage(config, clock or ManualClock(), mounts)
    return {check.device: check for check in checks}


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("1 1 0:1 / {folder} rw - ext4 /dev/x rw", "ok"),
        ("1 1 0:1 / {folder} ro - ext4 /dev/x rw", "fault"),
        ("1 1 0:1 / {folder} rw - tmpfs tmpfs rw", "fault"),
        ("1 1 0:1 / {folder} rw - vfat /dev/x rw", "fault"),
        ("1 1 0:1 / / rw - ext4 /dev/x rw", "warning"),
    ],
)
def test_file_systems(tmp_path: Path, line: str, verdict: str) -> None:
    check = looked(configuration(tmp_path), line.format(folder=tmp_path))["storage.file-system"]
    assert check.verdict == verdict and (verdict == "ok" or (check.advice_zh and check.advice_en))


def test_room_is_told_in_minutes_of_this_configuration(tmp_path: Path) -> None:
    few, many = ({"faults": {**FAULTS, "storage": {**STORAGE, "low_minutes": minutes}}} for minutes in (0.0, 10_000.0))
    assert looked(configuration(tmp_path, few), "")["storage.free"].verdict == "ok"
    check = looked(configuration(tmp_path, many), "")["storage.free"]
    assert check.verdict in ("warning", "fault") and "minutes" in check.en


FAULTS = configuration(Path("/nowhere")).faults.model_dump()
STORAGE = FAULTS["storage"]


def test_latency_is_by_the_clock_and_the_probe_is_gone_afterwards(tmp_path: Path) -> None:
    quick = looked(configuration(tmp_path), "", ManualClock(step_us=2_000))["storage.fdatasync"]
    assert quick.verdict == "ok" and "p50 2.0 ms" in quick.en
    slow = looked(configuration(tmp_path), "", ManualClock(step_us=900_000))["storage.fdatasync"]
    assert slow.verdict == "warning" and "max 900 ms" in slow.en
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_or_refuses(tmp_path: Path) -> None:
    (check,) = looked(configuration(tmp_path / "gone"), "").values()
    assert check.verdict == "fault" and "mount" in check.advice_en
    proc = looked(configuration(Path("/proc")), "")["storage.fdatasync"]
    assert proc.verdict == "fault" and "cannot be written" in proc.en, "also for root"
