"""What only the folder does: its layout, its digest list, the immutable flag."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_sim.agency.objects.folder import FolderStore
from hw_sim.agency.objects.immutable import is_immutable, set_immutable
from hw_sim.agency.objects.ports import Content, Lock, ObjectConflict, ObjectStoreError
from tests.hw_sim.agency.objects.engines import file_of

KEY = "zfy-1/journal/segments/session/a.mp4.age"


def test_the_layout_is_the_one_the_verifier_reads(tmp_path: Path) -> None:
    source, content = file_of(tmp_path, b"bytes")
    source.chmod(0o444)
    store = FolderStore(tmp_path / "root")
    for _ in range(2):
        store.put_locked(KEY, source, content, 0)
    path = tmp_path / "root" / KEY
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"bytes", 0o444)
    sums = (tmp_path / "root/zfy-1/journal/SHA256SUMS").read_text()
    assert sums == f"{hashlib.sha256(b'bytes').hexdigest()}  segments/session/a.mp4.age\n"


def test_bytes_that_rotted_on_the_disk_are_found_by_reading_back(tmp_path: Path) -> None:
    source, content = file_of(tmp_path, b"bytes")
    store = FolderStore(tmp_path / "root")
    stored = store.put_locked(KEY, source, content, 0)
    (tmp_path / "root" / KEY).write_bytes(b"bytez")
    assert store.digest_of(stored) != content


# --- the immutable flag -----------------------------------------------------------------------------------------------


@pytest.fixture
def immutable(tmp_path: Path) -> Iterator[FolderStore]:
    probe = tmp_path / "probe"
    probe.touch()
    try:
        set_immutable(probe)
    except OSError as error:
        pytest.skip(f"此处不能设置不可更改标志 the immutable flag cannot be set here: {error}")
    set_immutable(probe, on=False)
    store = FolderStore(tmp_path / "root", immutable=True)
    store.check()
    yield store
    for path in (tmp_path / "root").rglob("*"):
        if path.is_file() and is_immutable(path):
            set_immutable(path, on=False)


def test_an_immutable_object_outlives_even_root(immutable: FolderStore, tmp_path: Path) -> None:
    source, content = file_of(tmp_path, b"bytes")
    stored = immutable.put_locked(KEY, source, content, 0)
    assert immutable.lock_of(stored) == Lock("immutable", None)
    path = tmp_path / "root" / KEY
    for attempt in (path.unlink, lambda: path.write_bytes(b"x"), lambda: path.rename(tmp_path / "away")):
        with pytest.raises(PermissionError):
            attempt()
    assert immutable.digest_of(stored) == content
    assert not source.exists()


def test_a_death_between_link_and_flag_is_finished_without_the_staged_file(
    immutable: FolderStore, tmp_path: Path
) -> None:
    source, content = file_of(tmp_path, b"bytes")
    stored = immutable.put_locked(KEY, source, content, 0)
    set_immutable(tmp_path / "root" / KEY, on=False)
    assert immutable.put_locked(KEY, source, content, 0) == stored
    assert immutable.lock_of(stored) == Lock("immutable", None)
    with pytest.raises(ObjectConflict):
        immutable.put_locked(KEY, source, Content("A" * 43, 5), 0)


def test_where_the_flag_cannot_be_set_the_store_does_not_start() -> None:
    """/dev/shm is tmpfs, which has no such flag, or knows it and not for us."""
    folder = Path("/dev/shm") / f"objects-{os.getpid()}"
    folder.mkdir()
    try:
        FolderStore(folder).check()
        try:
            set_immutable(folder)
        except OSError:
            with pytest.raises(ObjectStoreError, match="CAP_LINUX_IMMUTABLE"):
                FolderStore(folder, immutable=True).check()
        else:
            set_immutable(folder, on=False)
            FolderStore(folder, immutable=True).check()
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
