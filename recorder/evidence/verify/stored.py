"""One stored segment file against what the journal signed: as a whole first, by entries only where that does not match."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from recorder.evidence.encoding import b64u
from recorder.evidence.records import Entry
from recorder.evidence.verify import tree

BLOCK = 1 << 20
"""Bytes read at a time: large enough that reading costs nothing beside hashing."""


@dataclass(frozen=True, slots=True)
class Whole:
    """Size and SHA-256 (base64url) of a whole stored file."""

    size: int
    sha256: str


def digest_file(path: Path) -> Whole:
    """One pass over ``path``. Raises OSError."""
    digest = hashlib.sha256()
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    size = 0
    fd = tree.open_regular(path)
    try:
        while count := os.readv(fd, [buffer]):
            digest.update(view[:count])
            size += count
    finally:
        os.close(fd)
    return Whole(size, b64u(digest.digest()))


@dataclass(frozen=True, slots=True)
class Piece:
    """An entry of a segment: its number, its bytes ``[offset, end)`` in the file, the time range of its media in µs."""

    entry: int
    offset: int
    end: int
    from_us: int
    to_us: int


@dataclass(slots=True)
class EntryResult:
    """What is wrong with a file whose whole digest did not match (or that was never closed)."""

    good: int = 0
    signed_end: int = 0
    altered: list[Piece] = field(default_factory=list)
    cut: list[Piece] = field(default_factory=list)
    size: int = 0

    @property
    def extra(self) -> int:
        """Bytes behind the last signed entry."""
        return max(0, self.size - self.signed_end)


def check_entries(path: Path, entries: Iterable[Entry], start_us: int) -> EntryResult:
    """Each signed entry of the file by its own digest. ``start_us``: where the segment's media begin. Raises OSError."""
    result = EntryResult()
    fd = tree.open_regular(path)
    try:
        result.size = os.fstat(fd).st_size
        before_us = start_us
        for number, (offset, length, stored, _, media_end_us) in enumerate(entries):
            piece = Piece(number, offset, offset + length, before_us, media_end_us)
            before_us = media_end_us
            result.signed_end = max(result.signed_end, piece.end)
            if piece.end > result.size:
                result.cut.append(piece)
            elif _digest_range(fd, offset, length) == stored:
                result.good += 1
            else:
                result.altered.append(piece)
    finally:
        os.close(fd)
    return result


def _digest_range(fd: int, offset: int, length: int) -> str:
    digest = hashlib.sha256()
    while length:
        data = os.pread(fd, min(length, BLOCK), offset)
        if not data:
            break
        digest.update(data)
        offset += len(data)
        length -= len(data)
    return b64u(digest.digest())
