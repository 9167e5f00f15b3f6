"""The outbox on a disk that refuses. The refusal is the kernel's own: no file may grow (RLIMIT_FSIZE), and SQLite says
"disk I/O error"."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from recorder.uplink.facts import Segment
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.outbox import Outbox
from recorder.uplink.outbox_keeper import UNREADABLE, OutboxKeeper
from tests.firmware_bridge.manual_clock import ManualClock

J = "00000000-0000-4000-8000-000000000000"
S = 1_000_000


def seg(seq: int) -> Segment:
    return Segment(J, seq, "a", f"{seq:08x}", "d", 5, 0.0)


@contextmanager
def refusing_disk(limit: int = 0) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Bench:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.board = FaultBoard(self.clock)
        self.path = folder / "uplink" / "outbox.db"
        self.rebuilt = 0
        self.keeper = self.make()

    def make(self) -> OutboxKeeper:
        return OutboxKeeper(self.path, self.clock, self.board, self._rebuilt)

    def _rebuilt(self) -> None:
        self.rebuilt += 1

    def codes(self) -> list[str]:
        return [entry["code"] for entry in self.board.active()]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.keeper.close()


def test_a_disk_that_refuses_is_a_fault_and_nothing_is_lost(bench: Bench) -> None:
    keeper = bench.keeper
    assert keeper.take(J, [seg(3)])
    with refusing_disk():
        assert not keeper.take(J, [seg(4)]), "to be offered again"
        assert keeper.pending(10) == []
        keeper.acknowledged([f"{J}:3"])
        assert keeper.count() == 0
        assert bench.codes() == ["disk"]
    assert not keeper.take(J, [seg(4)]), "not asked again at once"
    bench.clock.now_us += S
    assert keeper.take(J, [seg(4)])
    assert [message.msg_id for message in keeper.pending(10)] == [f"{J}:3", f"{J}:4"]
    assert bench.codes() == []
    assert bench.rebuilt == 0


def test_it_is_opened_ever_more_slowly_and_is_well_only_when_it_takes_a_write(bench: Bench) -> None:
    keeper = bench.keeper
    assert keeper.take(J, [seg(3)])
    with refusing_disk():
        tries = []
        for _ in range(100):
            bench.clock.now_us += S
            before = sum(entry["count"] for entry in bench.board.active())
            assert not keeper.take(J, [seg(4)])
            if sum(entry["count"] for entry in bench.board.active()) > before:
                tries.append(bench.clock.now_us // S)
            assert bench.codes() == ["disk"], "no flicker: reading alone proves nothing"
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[:5] == [1, 2, 4, 8, 16] and max(pauses) <= 30
    bench.clock.now_us += 31 * S
    assert not keeper.take(J, [seg(4)])
    assert (bench.rebuilt, bench.codes()) == (1, ["outbox"]), "so long, it was taken for the file's: all comes again"
    assert keeper.take(J, [seg(3), seg(4)])
    assert keeper.count() == 2


def test_a_unit_that_starts_on_a_disk_that_refuses_begins_when_it_is_back(tmp_path: Path) -> None:
    with refusing_disk():
        bench = Bench(tmp_path)
        assert bench.codes() == ["disk"]
    bench.clock.now_us += S
    assert bench.keeper.take(J, [seg(3)])
    assert (bench.codes(), bench.rebuilt) == ([], 0)
    bench.keeper.close()


def test_a_damaged_file_is_put_aside_and_everything_is_announced_again(bench: Bench) -> None:
    bench.keeper.close()
    bench.path.write_bytes(b"this is not a database at all" * 200)
    keeper = bench.make()
    assert (bench.rebuilt, bench.codes(), keeper.count()) == (1, ["outbox"], 0)
    assert bench.path.with_name("outbox.db.damaged").read_bytes().startswith(b"this is not")
    assert keeper.take(J, [seg(3)])
    keeper.close()


def test_the_first_to_find_a_damaged_file_leaves_the_new_one_empty(bench: Bench) -> None:
    """What it brings is only the newest: the cursor would pass all that is to be announced again."""
    keeper = bench.keeper
    assert keeper.take(J, [seg(3), seg(4)])
    keeper.close()
    bench.path.write_bytes(b"this is not a database at all" * 200)
    assert not keeper.take(J, [seg(5)]), "to be offered again, behind the others"
    assert (bench.rebuilt, keeper.count()) == (1, 0)
    assert keeper.take(J, [seg(3), seg(4), seg(5)])
    assert keeper.count() == 3


def test_a_new_file_that_comes_only_later_is_announced_again_too(bench: Bench) -> None:
    """The damaged one is put aside, and the disk has no room for another at that moment."""
    keeper = bench.keeper
    assert keeper.take(J, [seg(3)])
    keeper.close()
    bench.path.write_bytes(b"this is not a database at all" * 200)
    with refusing_disk():
        assert not keeper.take(J, [seg(4)])
    assert (bench.path.with_name("outbox.db.damaged").exists(), bench.rebuilt) == (True, 0)
    bench.clock.now_us += 31 * S
    assert not keeper.take(J, [seg(4)])
    assert (bench.rebuilt, keeper.count(), bench.codes()) == (1, 0, ["outbox"])
    assert keeper.take(J, [seg(3), seg(4)])
    assert bench.rebuilt == 1


def test_a_file_that_cannot_be_read_for_long_is_put_aside(bench: Bench) -> None:
    """A bad block: the disk is well and this file is not."""
    bench.keeper.take(J, [seg(3)])

    class BadBlock(Outbox):
        def __init__(self, path: Path) -> None:
            if not path.with_name("outbox.db.damaged").exists():
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
                raise error
            super().__init__(path)

    bench.keeper.close()
    bench.keeper = OutboxKeeper(bench.path, bench.clock, bench.board, bench._rebuilt, BadBlock)
    for _ in range(UNREADABLE - 1):
        assert bench.rebuilt == 0
        bench.clock.now_us += 31 * S
        bench.keeper.take(J, [seg(4)])
    assert bench.rebuilt == 1
    assert bench.codes() == ["outbox"]
