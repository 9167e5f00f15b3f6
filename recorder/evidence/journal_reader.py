"""Reading the journal: lines in order, streaming; nothing here verifies or decides (``journal_loader`` does).

Files are named by the ``seq`` of their first line. A line whose ``seq`` is not below the next file's name is superseded
by that file: it is what a failed ``fdatasync`` left in a file that is never written again, and the next file holds the
same line byte for byte. Lines are split at ``\\n`` only; what has no line end is no line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import Files
from recorder.evidence.jws import MAX_LINE, JwsError, Parts

_NAME = re.compile(r"^(\d{12})\.jws$")
_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class JournalFile:
    path: Path
    first_seq: int


@dataclass(frozen=True, slots=True)
class RawLine:
    """Bytes ``[offset, offset + len(raw))`` of a file. ``complete``: a line end follows (not part of ``raw``).

    Over-long garbage comes in pieces of more than MAX_LINE bytes, so that memory stays bounded.
    """

    raw: bytes
    offset: int
    complete: bool

    @property
    def end(self) -> int:
        return self.offset + len(self.raw) + self.complete


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One parsed, not verified line. ``digest``: SHA-256 of ``line``, what the next line's ``prev`` must be."""

    line: bytes
    digest: str
    parts: Parts
    file: Path
    offset: int

    @property
    def seq(self) -> int:
        return int(self.parts.payload["seq"])


def file_name(first_seq: int) -> str:
    return f"{first_seq:012d}.jws"


def journal_files(files: Files, directory: Path) -> list[JournalFile]:
    """The journal's files in order; other names are not the journal's."""
    return [
        JournalFile(directory / name, int(match[1])) for name in files.names(directory) if (match := _NAME.match(name))
    ]


def raw_lines(files: Files, path: Path, start: int = 0) -> Iterator[RawLine]:
    """Every line of ``path`` from byte ``start`` on (a line's beginning), the unfinished last one included."""
    offset, rest = start, b""
    while block := files.read_at(path, offset + len(rest), _BLOCK):
        rest += block
        begin = 0
        while (end := rest.find(b"\n", begin)) >= 0:
            yield RawLine(rest[begin:end], offset + begin, True)
            begin = end + 1
        offset, rest = offset + begin, rest[begin:]
        if len(rest) > MAX_LINE:
            yield RawLine(rest, offset, False)
            offset, rest = offset + len(rest), b""
    if rest:
        yield RawLine(rest, offset, False)


def raw_lines_backward(files: Files, path: Path) -> Iterator[RawLine]:
    """Every line of ``path``, the last one first: finding a checkpoint must not read a day's file from its beginning."""
    size = files.size(path) or 0
    position, tail, complete = size, b"", False
    while position > 0:
        step = min(_BLOCK, position)
        block = files.read_at(path, position - step, step)
        position -= step
        tail = block + tail
        while (end := tail.rfind(b"\n")) >= 0:
            piece = RawLine(tail[end + 1 :], position + end + 1, complete)
            if complete or piece.raw:
                yield piece
            tail, complete = tail[:end], True
        if len(tail) > 2 * MAX_LINE:
            yield RawLine(tail, position, complete)
            tail, complete = b"", False
    if complete or tail:
        yield RawLine(tail, 0, complete)


def parse(raw: bytes) -> Parts:
    """Split a raw line and check that it has a journal position. Raises JwsError."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise JwsError("not ASCII") from error
    parts = jws.split(text)
    seq, prev = parts.payload.get("seq"), parts.payload.get("prev")
    if type(seq) is not int or seq < 0 or not isinstance(prev, str | None):
        raise JwsError("payload has no seq and prev")
    return parts


def iterate(
    files: Files, directory: Path, from_seq: int = 0, types: Collection[str] | None = None
) -> Iterator[JournalLine]:
    """Complete lines from ``from_seq`` on, parsed but not verified; with ``types`` only those record types.

    Lines that do not parse are left out: whoever needs to know of them verifies. Earlier files are not opened, so an
    index catches up in the time of what it missed.
    """
    listed = journal_files(files, directory)
    types_of = _HeaderTypes(types)
    for index, file in enumerate(listed):
        following = listed[index + 1].first_seq if index + 1 < len(listed) else None
        if following is not None and following <= from_seq:
            continue
        for piece in raw_lines(files, file.path):
            if not piece.complete or not types_of.wanted(piece.raw):
                continue
            try:
                parts = parse(piece.raw)
            except JwsError:
                continue
            seq = int(parts.payload["seq"])
            if seq < from_seq or (following is not None and seq >= following):
                continue
            yield JournalLine(piece.raw, sha256_b64u(piece.raw), parts, file.path, piece.offset)


def line_digest(files: Files, directory: Path, seq: int) -> str | None:
    """SHA-256 of our own line ``seq``, None when there is none. Reads one file, by its name."""
    for line in iterate(files, directory, from_seq=seq):
        return line.digest if line.seq == seq else None
    return None


class _HeaderTypes:
    """Record types by the encoded JWS header, so that unwanted lines are skipped without parsing them."""

    def __init__(self, types: Collection[str] | None) -> None:
        self._types = None if types is None else frozenset(types)
        self._known: dict[bytes, bool] = {}

    def wanted(self, raw: bytes) -> bool:
        if self._types is None:
            return True
        header = raw.partition(b".")[0]
        known = self._known.get(header)
        if known is None:
            try:
                # The header alone: any payload and signature of the right form will do.
                known = jws.split(f"{header.decode('ascii')}.e30.{'A' * 86}").typ in self._types
            except (JwsError, UnicodeDecodeError):
                known = False
            if len(self._known) < 1024:
                self._known[header] = known
        return known
