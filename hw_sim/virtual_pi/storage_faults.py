"""A data disk that can be made to fail, or whose every write is kept: device mapper between the file system and ubdb.

Used before the recorder starts: the mount of ``/var/lib/recorder`` is moved onto ``/dev/mapper/data``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.machine import VirtualPi

NAME: Final = "data"
MOUNT: Final = "/var/lib/recorder"
SECTOR: Final = 512
FLAKEY: Final = "flakey /dev/ubdb {start} 0 3600 1 error_writes"


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
    # With the options it has in /etc/fstab, of which errors= matters here.
    options = f"$(findmnt --fstab -no OPTIONS {MOUNT})"
    pi.sh(f"dmsetup create {NAME} --table '0 {_sectors(pi)} {target}' && mount -o {options} /dev/mapper/{NAME} {MOUNT}")


def _sectors(pi: VirtualPi) -> int:
    return int(pi.sh("blockdev --getsz /dev/ubdb"))


def fail_writes(pi: VirtualPi, failing: bool) -> None:
    """From now on every write to the disk is an I/O error (*flakey*, ``error_writes``), or none is any more."""
    sectors = _sectors(pi)
    _become(pi, f"0 {sectors} {FLAKEY.format(start=0)}" if failing else f"0 {sectors} linear /dev/ubdb 0")


def fail_new_blocks(pi: VirtualPi) -> None:
    """From now on every write to a block that is free at this moment is an I/O error: a worn card, whose file system does
    not notice, since its journal and its tables lie where writes still succeed."""
    # Again where it met a bitmap whose checksum was just being changed, and said so with its exit status.
    listing = pi.wait_for(f'words=$(dumpe2fs /dev/mapper/{NAME} 2>/dev/null) && echo "$words"', 30)
    _become(pi, "\n".join(worn_table(_sectors(pi), *free_extents(listing))))


def free_extents(listing: str) -> tuple[int, list[tuple[int, int]]]:
    """Of what ``dumpe2fs`` prints: the size of a block in bytes, and the first and last number of each run of free blocks.
    Raises ValueError where it says neither."""
    size = re.search(r"^Block size: +(\d+)$", listing, re.MULTILINE)
    runs = [
        run for line in re.findall(r"^  Free blocks: (.*)$", listing, re.MULTILINE) for run in line.split(", ") if run
    ]
    if size is None or not runs:
        raise ValueError(f"dumpe2fs: 没有空闲块 no free blocks in {listing[:200]!r}")
    return int(size[1]), [(int(first), int(last or first)) for first, _, last in (run.partition("-") for run in runs)]


def worn_table(sectors: int, block_size: int, free: Iterable[tuple[int, int]]) -> Iterator[str]:
    """Lines of a device mapper table over a disk of so many sectors: ``free`` blocks (first, last; ascending) fail."""
    per_block, at = block_size // SECTOR, 0
    for first, last in free:
        start, end = first * per_block, (last + 1) * per_block
        if start > at:
            yield f"{at} {start - at} linear /dev/ubdb {at}"
        yield f"{start} {end - start} {FLAKEY.format(start=start)}"
        at = end
    if at < sectors:
        yield f"{at} {sectors - at} linear /dev/ubdb {at}"


def _become(pi: VirtualPi, table: str) -> None:
    # --noflush, --nolockfs: a card breaks without asking the file system to get ready for it.
    pi.sh(
        f"dmsetup suspend --noflush --nolockfs {NAME} && echo '{table}' | dmsetup load {NAME} && dmsetup resume {NAME}"
    )


def make_log_disk(path: Path, size_mb: int) -> None:
    """A file of nothing for ubdc."""
    with path.open("wb") as file:
        file.truncate(size_mb << 20)
