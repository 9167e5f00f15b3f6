"""The log of device mapper's *log-writes*: every write of a disk in the order in which it became durable.

Layout (``drivers/md/dm-log-writes.c``): a superblock in the first sector, then for each entry one sector of header and
its data. A write is logged when the flush that made it durable completes: what stands before a flush is exactly what a
card with a volatile cache must have kept, and of what stands after it the card may have kept anything. :func:`replays`
makes such disks: for each chosen flush one that lost all of its cache, and one that kept a random part of it.
"""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

MAGIC: Final = 0x6A736677736872
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8
_SUPER: Final = struct.Struct("<QQQI")
_ENTRY: Final = struct.Struct("<QQQQ")


class WriteLogError(Exception):
    """Not a log of log-writes, or one that ends within an entry it counts."""


@dataclass(frozen=True, slots=True)
class Write:
    """``offset``, ``length``: bytes on the logged disk; ``at``: where its data stands in the log."""

    offset: int
    length: int
    flags: int
    at: int

    @property
    def orders(self) -> bool:
        """A flush: everything before it is durable once it is done."""
        return bool(self.flags & FLUSH)


def entries(log: BinaryIO) -> list[Write]:
    """All that the superblock counts. Raises WriteLogError."""
    head = log.read(_SUPER.size)
    if len(head) < _SUPER.size:
        raise WriteLogError("没有超级块 no superblock")
    magic, version, count, sector = _SUPER.unpack(head)
    if (magic, version) != (MAGIC, 1):
        raise WriteLogError(f"不是 log-writes 的日志 not a log of log-writes: {magic:#x}, version {version}")
    found = []
    at = sector
    for number in range(count):
        log.seek(at)
        header = log.read(_ENTRY.size)
        if len(header) < _ENTRY.size:
            raise WriteLogError(f"第 {number} 条残缺 entry {number} of {count} is torn")
        start, sectors, flags, _ = _ENTRY.unpack(header)
        at += sector
        length = sectors * sector
        found.append(Write(start * sector, length, flags, at))
        if not flags & DISCARD:
            at += length
    return found


@dataclass(frozen=True, slots=True)
class Replay:
    """A disk as a card could have left it. ``flushes``: done before; ``kept``, ``unflushed``: writes after the last one."""

    disk: Path
    flushes: int
    kept: int
    unflushed: int


def replays(log: Path, start: Path, work: Path, points: int, seed: int, after_flush: int = 0) -> Iterator[Replay]:
    """``points`` moments, chosen by ``seed`` among the flushes after the first ``after_flush``, in order of time. Each
    gives two disks: without any, and with a random part, of the writes that were not flushed then. ``start``: the disk
    before the log began. The file of a replay is reused by the next one."""
    chance = random.Random(seed)
    with log.open("rb") as source:
        found = entries(source)
        flushes = [index for index, write in enumerate(found) if write.orders]
        chosen = sorted(chance.sample(range(after_flush, len(flushes)), min(points, len(flushes) - after_flush)))
        base, disk = work / "base.ext4", work / "replay.ext4"
        _copy(start, base)
        done = 0
        for number in chosen:
            end = flushes[number] + 1
            with base.open("r+b") as target:
                apply(source, target, found[done:end])
            done = end
            following = flushes[number + 1] if number + 1 < len(flushes) else len(found)
            volatile = [write for write in found[end:following] if write.length]
            yield Replay(_copy(base, disk), number + 1, 0, len(volatile))
            part = [write for write in volatile if write.flags & FUA or chance.random() < 0.5]
            with _copy(base, disk).open("r+b") as target:
                apply(source, target, part)
            yield Replay(disk, number + 1, len(part), len(volatile))


def apply(log: BinaryIO, target: BinaryIO, writes: Sequence[Write]) -> None:
    for write in writes:
        if not write.length or write.flags & DISCARD:
            continue  # a card may leave discarded sectors as they were
        log.seek(write.at)
        target.seek(write.offset)
        target.write(log.read(write.length))


def _copy(source: Path, target: Path) -> Path:
    """Sparse where the source is: these disks are mostly empty."""
    subprocess.run(["cp", "--sparse=always", source, target], check=True)
    return target
