"""A disk is looked at without being touched, and what is judged of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hw_sim.virtual_pi import card
from hw_sim.virtual_pi.image import make_data_disk
from tests.support import require_program


@pytest.mark.parametrize(
    ("verdict", "altered", "unnamed", "expected"),
    [
        ("intact", [], [], True),
        ("incomplete", [], [], True),
        ("unsigned", [], ["just-begun"], True),
        ("unsigned", [], [], False),
        ("unsigned", [], ["one", "two"], False),
        ("incomplete", ["a"], [], False),
        ("altered", [], [], False),
        ("missing", [], [], False),
        ("cannot-read", [], [], False),
    ],
)
def test_what_was_promised_of_a_disk_after_a_cut(
    verdict: str, altered: list[str], unnamed: list[str], expected: bool
) -> None:
    assert card.holds(verdict, altered, unnamed) is expected


def test_a_disk_is_copied_checked_and_left_alone(tmp_path: Path) -> None:
    require_program("debugfs")
    disk = tmp_path / "data.ext4"
    make_data_disk(disk, 16, tmp_path / "log")
    before = hashlib.sha256(disk.read_bytes()).digest()
    found = card.look(disk, tmp_path / "work")
    assert (found.needed_recovery, found.file_system) == (False, "clean")
    assert hashlib.sha256(disk.read_bytes()).digest() == before
    with disk.open("r+b") as file:  # the block bitmap of the first group and what follows it
        file.seek(64 * 1024)
        file.write(b"\xff" * 8192)
    assert card.look(disk, tmp_path / "work").file_system == "errors"
