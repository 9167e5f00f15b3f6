"""Which blocks of a worn disk fail: of dumpe2fs's words, and as a device mapper table."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.virtual_pi import image
from hw_sim.virtual_pi.storage_faults import SECTOR, free_extents, worn_table
from tests.support import require_program


def test_the_free_blocks_of_a_new_file_system_are_as_many_as_it_counts(tmp_path: Path) -> None:
    for program in ("mke2fs", "dumpe2fs"):
        require_program(program)
    disk = tmp_path / "disk"
    image.make_data_disk(disk, 64, tmp_path / "log")
    listing = subprocess.run(["dumpe2fs", disk], capture_output=True, text=True, check=True).stdout
    size, free = free_extents(listing)
    counted = next(int(line.split()[2]) for line in listing.splitlines() if line.startswith("Free blocks:"))
    assert sum(last - first + 1 for first, last in free) == counted
    assert free == sorted(free) and free[-1][1] * size < disk.stat().st_size


def test_single_blocks_and_runs() -> None:
    listing = "Block size:               4096\n  Free blocks: 7, 9-12\n  Free blocks: \n  Free blocks: 20-30\n"
    assert free_extents(listing) == (4096, [(7, 7), (9, 12), (20, 30)])


def test_a_disk_without_a_free_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="no free blocks"):
        free_extents("Block size: 1024\n  Free blocks: \n")


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12), st.sampled_from((1024, 4096)))
def test_the_table_covers_every_sector_once_and_fails_the_free_ones_alone(steps: list[int], block_size: int) -> None:
    edges = [sum(steps[: n + 1]) for n in range(len(steps))]
    free = [(first, last - 1) for first, last in zip(edges[::2], edges[1::2], strict=False)]
    sectors = edges[-1] * block_size // SECTOR + 3
    at, failing = 0, set()
    for line in worn_table(sectors, block_size, free):
        start, length, target, device, offset, *_ = line.split()
        assert (int(start), device, offset) == (at, "/dev/ubdb", start) and int(length) > 0
        at += int(length)
        if target == "flakey":
            failing |= set(range(int(start), at))
    assert at == sectors
    per_block = block_size // SECTOR
    assert failing == {s for first, last in free for s in range(first * per_block, (last + 1) * per_block)}
