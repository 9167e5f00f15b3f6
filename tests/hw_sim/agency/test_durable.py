"""A body made durable behind the line's back: in order, read back, and no error of the disk goes unheard."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw_sim.agency.store.durable import SYNC_BYTES, Follower
from hw_sim.agency.store.register import Register, Upload
from hw_sim.agency.store.staging import Staging
from tests.hw_sim.agency.test_segments import HandClock

PIECE = 1 << 20


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    made = os.open(tmp_path / "body", os.O_RDWR | os.O_CREAT, 0o600)
    yield made
    os.close(made)


def write(fd: int, follower: Follower, pieces: int) -> bytes:
    """What was written, after ``begin`` bytes that were there."""
    begin, whole = follower.durable, bytearray()
    for _ in range(pieces):
        piece = os.urandom(PIECE)
        os.pwrite(fd, piece, begin + len(whole))
        whole += piece
        follower.written(begin + len(whole))
    return bytes(whole)


def test_all_is_told_in_order_and_read_back_from_the_file(fd: int) -> None:
    os.pwrite(fd, b"earlier", 0)
    told: list[int] = []
    with Follower(fd, 7, told.append, digest=True) as follower:
        body = write(fd, follower, 3 * SYNC_BYTES // PIECE)
        digest = follower.finish()
    assert digest == hashlib.sha256(body).digest()
    assert told == sorted(set(told)) and told[-1] == 7 + len(body)
    assert len(told) > 1  # not only at the end


def test_what_the_file_gives_back_counts_not_what_was_meant(fd: int) -> None:
    with Follower(fd, 0, lambda _: None, digest=True) as follower:
        os.pwrite(fd, b"other bytes", 0)
        follower.written(11)
        digest = follower.finish()
    assert digest == hashlib.sha256(b"other bytes").digest()


def test_a_small_body_costs_no_thread_and_one_sync(fd: int) -> None:
    told: list[int] = []
    before = threading.active_count()
    with Follower(fd, 0, told.append, digest=False) as follower:
        write(fd, follower, 2)
        assert threading.active_count() == before
        assert follower.finish() is None
    assert told == [2 * PIECE]


def failing_at(count: int) -> Callable[[int], None]:
    told: list[int] = []

    def reached(offset: int) -> None:
        told.append(offset)
        if len(told) == count:
            raise OSError("the disk is gone")

    return reached


@pytest.mark.parametrize("pieces", [1, 3 * SYNC_BYTES // PIECE], ids=["at the end", "on its own thread"])
def test_an_error_of_the_sync_is_raised_where_the_body_is_written(fd: int, pieces: int) -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"), Follower(fd, 0, failing_at(1), digest=True) as follower:
        write(fd, follower, pieces)
        follower.finish()
    assert follower.durable == 0
    assert threading.active_count() == before


def test_the_line_waits_when_the_disk_falls_behind(fd: int) -> None:
    syncing, go_on, written = threading.Event(), threading.Event(), threading.Event()

    def reached(_: int) -> None:
        syncing.set()
        assert go_on.wait(30)

    with Follower(fd, 0, reached, digest=False) as follower:

        def line() -> None:
            write(fd, follower, 2 * SYNC_BYTES // PIECE)
            written.set()

        thread = threading.Thread(target=line)
        thread.start()
        assert syncing.wait(30)
        assert not written.wait(0.3)
        go_on.set()
        assert written.wait(30)
        thread.join()
        follower.finish()
    assert follower.durable == 2 * SYNC_BYTES


class FailingDisk:
    """As Linux does it: the sync that meets the error says so, and those after it know nothing of the lost pages."""

    def __init__(self, *failing: int) -> None:
        self._failing = failing
        self.calls = 0

    def sync(self, fd: int) -> None:
        self.calls += 1
        if self.calls in self._failing:
            raise OSError(errno.EIO, "the disk lost it")
        os.fdatasync(fd)


UPLOAD = Upload("u-1", "zfy-1", "j-1", "s-1", "g-1", "", 4 * SYNC_BYTES, "uploading", 0, "boot-1", 0.0)


def staged(root: Path, disk: FailingDisk) -> tuple[Staging, Register]:
    register = Register(root / "store.db")
    staging = Staging(root / "staging", register, HandClock(), sync=disk.sync)
    staging.create(UPLOAD)
    return staging, register


def now(register: Register) -> Upload:
    upload = register.upload(UPLOAD.upload_id)
    assert upload is not None
    return upload


def bytes_of(buffer: memoryview) -> int:
    return len(buffer)


@pytest.mark.parametrize("failing", [(2,), (2, 3)], ids=["once", "and the cut as well"])
@pytest.mark.parametrize("length", [PIECE, 3 * SYNC_BYTES], ids=["at the end", "on its own thread"])
def test_what_the_disk_failed_to_sync_is_never_told_as_durable(
    tmp_path: Path, length: int, failing: tuple[int, ...]
) -> None:
    disk = FailingDisk(*failing)
    staging, register = staged(tmp_path, disk)
    try:
        assert staging.receive(UPLOAD, 0, 1000, bytes_of).offset == 1000
        with pytest.raises(OSError, match="the disk lost it"):
            staging.receive(now(register), 1000, length, bytes_of)
        assert (staging.offset(now(register)), now(register).synced) == (1000, 1000)
        assert staging.part(UPLOAD.upload_id).stat().st_size == 1000
        assert staging.receive(now(register), 1000, length, bytes_of).offset == 1000 + length
    finally:
        register.close()


def test_a_head_whose_sync_fails_does_not_make_the_next_one_lie(tmp_path: Path) -> None:
    disk = FailingDisk(2)
    staging, register = staged(tmp_path, disk)
    try:
        assert staging.receive(UPLOAD, 0, 1000, bytes_of).offset == 1000
        with staging.part(UPLOAD.upload_id).open("ab") as file:
            file.write(b"written by a process that was killed")
        with pytest.raises(OSError, match="the disk lost it"):
            staging.offset(now(register))
        assert staging.offset(now(register)) == 1000
    finally:
        register.close()
