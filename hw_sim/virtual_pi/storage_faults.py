"""A data disk that can be made to fail, or whose every write is kept: device mapper between the file system and ubdb.

Used before the recorder starts: the mount of ``/var/lib/recorder`` is moved onto ``/dev/mapper/data``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.machine import VirtualPi

NAME: Final = "data"
MOUNT: Final = "/var/lib/recorder"


def take_out(pi: VirtualPi) -> None:
    """Unmount: from now until one of the two below, the disk's file on the host is at rest and may be copied."""
    pi.sh(f"umount {MOUNT}")


def put_in(pi: VirtualPi) -> None:
    """Back behind a mapping that changes nothing yet."""
    _mount(pi, "linear /dev/ubdb 0")


def put_in_logged(pi: VirtualPi) -> None:
    """Back so that every write goes to ubdb and, once it is durable, to the log on ubdc."""
    _mount(pi, "log-writes /dev/ubdb /dev/ubdc")


def _mount(pi: VirtualPi, target: str) -> None:
    pi.sh(f"dmsetup create {NAME} --table '0 {_sectors(pi)} {target}' && mount -o noatime /dev/mapper/{NAME} {MOUNT}")


def _sectors(pi: VirtualPi) -> int:
    return int(pi.sh("blockdev --getsz /dev/ubdb"))


def fail_writes(pi: VirtualPi, failing: bool) -> None:
    """From now on every write to the disk is an I/O error (*flakey*, ``error_writes``), or none is any more."""
    sectors = _sectors(pi)
    table = f"0 {sectors} linear /dev/ubdb 0"
    if failing:
        table = f"0 {sectors} flakey /dev/ubdb 0 0 3600 1 error_writes"
    # --noflush, --nolockfs: a card breaks without asking the file system to get ready for it.
    pi.sh(
        f"dmsetup suspend --noflush --nolockfs {NAME} && dmsetup load {NAME} --table '{table}' && dmsetup resume {NAME}"
    )


def make_log_disk(path: Path, size_mb: int) -> None:
    """A file of nothing for ubdc."""
    with path.open("wb") as file:
        file.truncate(size_mb << 20)
