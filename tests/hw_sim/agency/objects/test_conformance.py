"""What every object store must do, the same for all of them (docs/object-stores.md: where engines differ beneath)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hw_sim.agency.objects.ports import (
    Content,
    ObjectConflict,
    ObjectStore,
    ObjectStoreError,
    StoredVersion,
    content_of_blocks,
)
from tests.hw_sim.agency.objects.engines import SMALL, Engine, file_of

UNTIL = 2_000_000_000.0
KEY = "zfy-1/11111111-0000-4000-8000-000000000000/segments/s/a.mp4.age"


def read(objects: ObjectStore, stored: StoredVersion) -> bytes:
    with objects.open(stored) as blocks:
        return b"".join(blocks)


@pytest.mark.parametrize("size", [1, 300_000, SMALL.single, SMALL.single + 1, 2 * SMALL.part])
def test_what_is_put_is_read_back_and_locked(objects: ObjectStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    source, content = file_of(tmp_path, data)
    stored = objects.put_locked(KEY, source, content, UNTIL)
    assert stored.key == KEY
    assert objects.digest_of(stored) == content
    assert read(objects, stored) == data
    lock = objects.lock_of(stored)
    assert lock.mode == objects.lock_mode
    assert (lock.retain_until is None) == (objects.lock_mode != "compliance")
    assert lock.retain_until is None or UNTIL <= lock.retain_until < UNTIL + 2


@pytest.mark.parametrize("size", [1000, SMALL.single + 1])
def test_the_same_bytes_again_are_the_same_version(
    objects: ObjectStore, engine: Engine, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    first, content = file_of(tmp_path, data)
    stored = objects.put_locked(KEY, first, content, UNTIL)
    second, _ = file_of(tmp_path, data)
    assert objects.put_locked(KEY, second, content, UNTIL) == stored
    assert engine.again(objects).put_locked(KEY, second, content, UNTIL) == stored


def test_a_lock_is_extended_by_a_repeat_and_never_shortened(objects: ObjectStore, tmp_path: Path) -> None:
    source, content = file_of(tmp_path, b"bytes")
    stored = objects.put_locked(KEY, source, content, UNTIL)
    objects.put_locked(KEY, source, content, UNTIL + 1000)
    objects.put_locked(KEY, source, content, UNTIL + 10)
    lock = objects.lock_of(stored)
    assert lock.retain_until is None or UNTIL + 1000 <= lock.retain_until < UNTIL + 1002


@pytest.mark.parametrize("other", [b"BYTES", b"more bytes", b""])
def test_other_bytes_under_a_taken_name_are_a_conflict(objects: ObjectStore, tmp_path: Path, other: bytes) -> None:
    source, content = file_of(tmp_path, b"bytes")
    stored = objects.put_locked(KEY, source, content, UNTIL)
    alien, alien_content = file_of(tmp_path, other)
    with pytest.raises(ObjectConflict):
        objects.put_locked(KEY, alien, alien_content, UNTIL)
    assert read(objects, stored) == b"bytes"
    assert alien.read_bytes() == other


def test_a_name_that_only_begins_like_another_is_free(objects: ObjectStore, tmp_path: Path) -> None:
    for number in range(3):
        source, content = file_of(tmp_path, os.urandom(100))
        objects.put_locked(KEY + "x" * number, source, content, UNTIL)


def test_a_wrong_digest_is_found_by_reading_back_whatever_the_engine_says(objects: ObjectStore, tmp_path: Path) -> None:
    """Some engines refuse it at the put, some store it without a word; either way what is read is not what was asked."""
    source, content = file_of(tmp_path, b"bytes")
    claimed = Content("A" * 43, content.size)
    try:
        stored = objects.put_locked(KEY, source, claimed, UNTIL)
    except ObjectStoreError:
        return
    assert objects.digest_of(stored) == content != claimed


def test_blocks_are_counted_and_digested() -> None:
    assert content_of_blocks(iter([b"", b"a", b"bc"])) == Content("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", 3)
