"""The real disk behind ``Files``; the simulated one has to behave alike."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.evidence.files import Files, OsFiles
from recorder.evidence.set_aside import set_aside
from tests.evidence.simulated_disk import SimulatedDisk


def simulated(folder: Path) -> Files:
    disk = SimulatedDisk()
    disk.dirs.update([folder, *folder.parents])
    return disk


DISKS: list[Callable[[Path], Files]] = [lambda _: OsFiles(), simulated]


@pytest.mark.parametrize("make", DISKS, ids=["real", "simulated"])
def test_both_disks_do_the_same(make: Callable[[Path], Files], tmp_path: Path) -> None:
    files = make(tmp_path)
    folder = tmp_path / "a" / "b"
    with pytest.raises(FileNotFoundError):
        files.create(folder / "x")
    files.make_dir(folder)
    files.make_dir(folder)
    file = files.create(folder / "x")
    file.write(b"hello ")
    file.write(memoryview(b"world"))
    file.sync()
    file.close()
    with pytest.raises(FileExistsError):
        files.create(folder / "x")
    again = files.append(folder / "x")
    again.write(b"!")
    again.sync()
    again.close()
    assert files.read(folder / "x") == b"hello world!"
    assert b"".join(files.read_chunks(folder / "x", 5)) == b"hello world!"
    assert files.read_at(folder / "x", 6, 5) == b"world"
    assert files.read_at(folder / "x", 11, 5) == b"!"
    assert files.read_at(folder / "x", 12, 5) == b""
    files.truncate(folder / "x", 5)
    assert files.size(folder / "x") == 5
    files.replace(folder / "y", b"new")
    files.replace(folder / "y", b"newer")
    files.make_dir(folder / "sub")
    assert files.names(folder) == ["sub", "x", "y"]
    files.remove(folder / "x")
    assert files.size(folder / "x") is None
    for missing in (files.remove, files.read, files.append):
        with pytest.raises(FileNotFoundError):
            missing(folder / "x")
    assert files.names(folder / "nowhere") == []
    assert files.free_bytes(folder) > 0


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    files = OsFiles()
    files.replace(tmp_path / "x", b"old", mode=0o600)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o600
    (tmp_path / ".x.new").mkdir()
    with pytest.raises(OSError, match=r"\.x\.new") as caught:
        files.replace(tmp_path / "x", b"new")
    assert caught.value.errno == errno.EISDIR
    assert files.read(tmp_path / "x") == b"old"


def test_set_aside_makes_an_unfinished_copy_anew(tmp_path: Path) -> None:
    files = OsFiles()
    files.replace(tmp_path / "source", b"0123456789")
    files.replace(tmp_path / "copy", b"unfinished")
    set_aside(files, tmp_path / "source", 4, tmp_path / "copy")
    assert files.read(tmp_path / "copy") == b"456789"
    assert files.read(tmp_path / "source") == b"0123456789"
    set_aside(files, tmp_path / "source", 4, tmp_path / "new" / "folder" / "copy")
    assert files.read(tmp_path / "new" / "folder" / "copy") == b"456789"
