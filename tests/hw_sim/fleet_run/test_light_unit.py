"""What the units of a fleet are written with is what the recorder writes with, but for the syncs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hw_sim.fleet_run.light_unit import UnsyncedFiles
from recorder.evidence.files import OsFiles


def written(files: OsFiles, root: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and contents of everything, by path."""
    files.make_dir(root / "a" / "b")
    with_tail = files.create(root / "a" / "b" / "journal")
    with_tail.write(b"one")
    with_tail.sync()
    with_tail.write(b"two")
    with_tail.close()
    files.replace(root / "a" / "key", b"first", 0o600)
    files.replace(root / "a" / "key", b"second", 0o600)
    found = {}
    for path in sorted(root.rglob("*")):
        found[str(path.relative_to(root))] = (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
    return found


def test_without_syncs_the_same_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("synced", "unsynced"):
        (tmp_path / name).mkdir()
    expected = written(OsFiles(), tmp_path / "synced")

    def refuses(fd: int) -> None:
        raise AssertionError("it was to do without")

    monkeypatch.setattr(os, "fsync", refuses)
    monkeypatch.setattr(os, "fdatasync", refuses)
    assert written(UnsyncedFiles(), tmp_path / "unsynced") == expected
    assert expected["a/key"][1] == b"second" and expected["a/b/journal"][1] == b"onetwo"


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    UnsyncedFiles().create(tmp_path / "journal").close()
    with pytest.raises(FileExistsError):
        UnsyncedFiles().create(tmp_path / "journal")
