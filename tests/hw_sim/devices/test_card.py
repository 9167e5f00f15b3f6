"""The simulated card refuses as a real one does: with the kernel's own error numbers, below everything of ours."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hw_sim.devices.card import SimulatedCard
from hw_sim.world_keys import State, initial_state
from recorder.evidence.files import OsFiles


def card(part: str = "media", **state: object) -> tuple[OsFiles, State]:
    world = initial_state({key.replace("_", ".", 1): value for key, value in state.items()})
    return OsFiles(SimulatedCard(world.__getitem__, "media" if part == "media" else "journal")), world


@pytest.mark.parametrize(
    ("failure", "number"), [("full", errno.ENOSPC), ("read-only", errno.EROFS), ("io-error", errno.EIO)]
)
def test_writing_is_refused_with_the_number_the_kernel_would_give(failure: str, number: int, tmp_path: Path) -> None:
    files, world = card()
    file = files.create(tmp_path / "a")
    file.write(b"before")
    file.sync()
    world["card.failure"] = failure
    with pytest.raises(OSError) as refused:
        file.write(b"after")
    assert refused.value.errno == number
    world["card.failure"] = "ok"
    file.write(b", again")
    file.close()
    assert (tmp_path / "a").read_bytes() == b"before, again"


def test_a_read_only_card_takes_no_new_file(tmp_path: Path) -> None:
    files, _ = card(card_failure="read-only")
    with pytest.raises(OSError) as refused:
        files.create(tmp_path / "a")
    assert refused.value.errno == errno.EROFS and not (tmp_path / "a").exists()


def test_the_journal_is_spared_unless_the_world_says_otherwise(tmp_path: Path) -> None:
    files, world = card("journal", card_failure="io-error")
    file = files.create(tmp_path / "a")
    file.write(b"x")
    world["card.scope"] = "all"
    with pytest.raises(OSError):
        file.write(b"y")
    file.close()


def test_a_slow_card_takes_its_time_and_no_longer_than_it_is_slow(tmp_path: Path) -> None:
    files, _ = card(card_failure="slow", card_sync_ms=1.0)
    file = files.create(tmp_path / "a")
    file.write(b"x")
    file.sync()
    file.close()
    assert (tmp_path / "a").read_bytes() == b"x"


def test_free_room_is_what_the_world_says(tmp_path: Path) -> None:
    files, world = card()
    assert files.free_bytes(tmp_path) > 0
    world["card.free_mb"] = 250.0
    assert files.free_bytes(tmp_path) == 250_000_000
