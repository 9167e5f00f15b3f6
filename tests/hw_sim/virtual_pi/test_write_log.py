"""Disks as a card with a volatile cache could have left them, from a log made here sector by sector."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from hw_sim.virtual_pi.write_log import DISCARD, FLUSH, FUA, MAGIC, MARK, WriteLogError, entries, replays

SECTOR = 512
Entry = tuple[int, bytes, int]
"""(sector, data, flags)"""


def log_of(*items: Entry) -> bytes:
    out = struct.pack("<QQQI", MAGIC, 1, len(items), SECTOR).ljust(SECTOR, b"\0")
    for sector, data, flags in items:
        length = 4 if flags & DISCARD else len(data) // SECTOR
        out += struct.pack("<QQQQ", sector, length, flags, 0).ljust(SECTOR, b"\0")
        if not flags & DISCARD:
            out += data
    return out


def block(letter: str) -> bytes:
    return letter.encode() * SECTOR


LOG: tuple[Entry, ...] = (
    (0, block("a"), 0),
    (1, block("b"), 0),
    (0, b"", FLUSH),
    (0, b"", DISCARD),
    (0, block("c"), 0),
    (2, block("d"), FUA),
    (0, b"", MARK),
    (0, b"", FLUSH),
    (3, block("e"), 0),
)


def test_entries_say_where_their_data_stands() -> None:
    data = log_of(*LOG)
    found = entries(io.BytesIO(data))
    assert [write.offset // SECTOR for write in found] == [0, 1, 0, 0, 0, 2, 0, 0, 3]
    assert [data[write.at : write.at + 1] for write in found if write.length and not write.flags & DISCARD] == [
        *(b"a", b"b", b"c", b"d", b"e")
    ]
    assert [index for index, write in enumerate(found) if write.orders] == [2, 7]


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "superblock"), (b"\0" * 4096, "not a log"), (log_of(*LOG)[: 3 * SECTOR], "torn")],
)
def test_what_is_no_log_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(WriteLogError, match=why):
        entries(io.BytesIO(data))


def test_a_replay_has_all_that_was_flushed_and_of_the_rest_only_a_part(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log_of(*LOG))
    (tmp_path / "start").write_bytes(b"0" * 4 * SECTOR)
    seen: list[tuple[int, int, int, str]] = []
    for replay in replays(tmp_path / "log", tmp_path / "start", tmp_path, points=9, seed=3):
        letters = "".join(chr(byte) for byte in replay.disk.read_bytes()[::SECTOR])
        seen.append((replay.flushes, replay.kept, replay.unflushed, letters))
    assert (seen[0][0], seen[0][3]) == (1, "ab00")
    assert (2, 0, 1, "cbd0") in seen
    part = seen[1]
    assert part[0] == 1
    assert part[2] == 3, "the discard, c and d stand between the flushes"
    assert part[3][2] == "d", "a write with FUA is durable by itself"
    assert part[3] in ("abd0", "cbd0")
    assert {letters for _, _, _, letters in seen} <= {"ab00", "abd0", "cbd0", "cbde"}


def test_the_same_seed_makes_the_same_disks(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(log_of(*LOG * 5))
    (tmp_path / "start").write_bytes(b"0" * 4 * SECTOR)

    def run(seed: int) -> list[tuple[int, bytes]]:
        made = replays(tmp_path / "log", tmp_path / "start", tmp_path, points=3, seed=seed, after_flush=2)
        return [(replay.flushes, replay.disk.read_bytes()) for replay in made]

    first = run(1)
    assert first == run(1)
    assert min(flushes for flushes, _ in first) > 2
