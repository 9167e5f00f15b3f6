"""With an agency identity: decrypt, check what lies inside against the signed plaintext digests, open sealed fields."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from recorder.evidence.age import CHUNK, STORED_CHUNK, TAG, AgeError, Identity
from recorder.evidence.age_reader import AgeReader, NoIdentityMatch
from recorder.evidence.encoding import b64u
from recorder.evidence.personal import PersonalError, open_field
from recorder.evidence.records import Entry, SealedField
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.mp4 import BoxWalk
from recorder.evidence.verify.stored import BLOCK, Whole

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Outcome = Literal["opened", "no-identity", "failed"]


class _Hashing(io.RawIOBase):
    """A file that digests what is read from it, so that decrypting and digesting are one pass."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.digest = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        count = os.readv(self._fd, [view])
        self.digest.update(view[:count])
        self.size += count
        return count


@dataclass(slots=True)
class Opened:
    """A segment read with an identity. ``whole``: the stored file; the rest is about the plaintext."""

    whole: Whole
    outcome: Outcome
    reason: str = ""
    plain_size: int = 0
    plain_sha256: str = ""
    complete: bool = True
    boxes: BoxWalk = field(default_factory=BoxWalk)
    altered: list[int] = field(default_factory=list)
    """Entries whose plaintext differs from what was signed (only where entries were given)."""


class EntryDigests:
    """Digests of consecutive plaintext ranges as the bytes stream by."""

    def __init__(self, ranges: Iterator[tuple[int, str]]) -> None:
        self._ranges = ranges
        self._digest = hashlib.sha256()
        self._entry = -1
        self._left = 0
        self._expected: str | None = None
        self.altered: list[int] = []
        self._next()

    def feed(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while self._expected is not None and view:
            part = view[: self._left]
            self._digest.update(part)
            self._left -= len(part)
            view = view[len(part) :]
            if self._left == 0:
                if b64u(self._digest.digest()) != self._expected:
                    self.altered.append(self._entry)
                self._next()

    def _next(self) -> None:
        following = next(self._ranges, None)
        self._digest = hashlib.sha256()
        self._entry += 1
        self._left, self._expected = following if following is not None else (0, None)


def plain_ranges(entries: Sequence[Entry], header: int, sealed: bool) -> Iterator[tuple[int, str]]:
    """(plaintext length, signed digest) of each entry. ``header``: bytes of age header and nonce within entry 0."""
    for number, (_, length, _, digest, _) in enumerate(entries):
        stored = length - header if number == 0 else length
        yield (stored - TAG * -(-stored // STORED_CHUNK) if sealed else length), digest


def read_segment(
    path: Path, sealed: bool, identities: Sequence[Identity], entries: Callable[[], Sequence[Entry]] | None
) -> Opened:
    """One pass: stored digest, plaintext digest, boxes. ``entries``: also check each entry's plaintext. Raises OSError."""
    fd = tree.open_regular(path)
    try:
        raw = _Hashing(fd)
        stream = cast(BinaryIO, io.BufferedReader(raw, BLOCK))
        opened = Opened(Whole(0, ""), "opened")
        _read_plain(stream, opened, sealed, identities, entries)
        while stream.read(BLOCK):
            pass
        opened.whole = Whole(raw.size, b64u(raw.digest.digest()))
        return opened
    finally:
        os.close(fd)


def _read_plain(
    stream: BinaryIO,
    opened: Opened,
    sealed: bool,
    identities: Sequence[Identity],
    entries: Callable[[], Sequence[Entry]] | None,
) -> None:
    header = 0
    reader: AgeReader | None = None
    chunks = _plain_chunks(stream)
    if sealed:
        try:
            reader = AgeReader(stream, identities)
        except NoIdentityMatch:
            opened.outcome = "no-identity"
            return
        except AgeError as error:
            opened.outcome, opened.reason = "failed", str(error)
            return
        header, chunks = reader.header_length, reader.chunks()
    digests = EntryDigests(plain_ranges(entries(), header, sealed)) if entries is not None else None
    plain = hashlib.sha256()
    for chunk in chunks:
        plain.update(chunk)
        opened.plain_size += len(chunk)
        opened.boxes.feed(chunk)
        if digests is not None:
            digests.feed(chunk)
    opened.plain_sha256 = b64u(plain.digest())
    opened.altered = digests.altered if digests is not None else []
    if reader is not None and reader.end is not None:
        opened.complete = reader.end.state == "complete"
        if reader.end.state == "altered":
            opened.outcome, opened.reason = "failed", f"chunk {reader.end.chunks} does not authenticate"


def _plain_chunks(stream: BinaryIO) -> Iterator[bytes]:
    while data := stream.read(CHUNK):
        yield data


class SealedFields:
    """Opens sealed fields of records; what does not match its digest is found, what no identity opens is counted."""

    def __init__(self, identities: Sequence[Identity], findings: Findings) -> None:
        self._identities = identities
        self._findings = findings
        self.unopened = 0

    def open_field(self, seq: int, name: str, sealed: SealedField) -> object | None:
        """The value, None when it cannot be opened."""
        try:
            return cast(object, open_field(sealed, self._identities))
        except NoIdentityMatch:
            self.unopened += 1
        except (AgeError, PersonalError) as error:
            self._findings.add("sealed-altered", f"record {seq}", seq=seq, field=name, reason=str(error))
        return None
