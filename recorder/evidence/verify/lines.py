"""The journal's lines as bytes, in file order, streaming and bounded: a hostile file must fill neither memory nor time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from recorder.evidence.errors import CannotRead
from recorder.evidence.jws import MAX_LINE
from recorder.evidence.verify import tree

FILE_NAME = re.compile(r"([0-9]{1,20})\.jws")
"""To be matched in full: no other digits, and no line end behind it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line stands. ``file`` indexes the journal's files; ``line`` counts from 1; ``offset`` in bytes."""

    file: int
    name: str
    line: int
    offset: int

    def __str__(self) -> str:
        return f"journal/{self.name}:{self.line}"


@dataclass(frozen=True, slots=True)
class RawLine:
    """``data`` without its line feed; None when longer than 1 MiB. ``complete``: it ended with a line feed."""

    place: Place
    data: bytes | None
    complete: bool


class JournalFiles:
    """The files of one journal folder, ordered by the sequence number in their names. ``rest``: what else is there."""

    def __init__(self, folder: Path) -> None:
        """Raises CannotRead when the folder cannot be listed."""
        self.folder = folder
        numbered: list[tuple[int, str]] = []
        self.rest: list[tree.Node] = []
        for node in tree.walk(folder, 1):
            match = FILE_NAME.fullmatch(node.name) if node.regular else None
            if match is None:
                self.rest.append(node)
            else:
                numbered.append((int(match[1]), node.name))
        self.files = tuple(name for _, name in sorted(numbered))

    def lines(self, file: int = 0, offset: int = 0) -> Iterator[RawLine]:
        """All lines from ``offset`` of file number ``file`` on (line numbers count from there). Raises CannotRead."""
        for index in range(file, len(self.files)):
            yield from self._file(index, offset if index == file else 0)

    def _file(self, index: int, start: int) -> Iterator[RawLine]:
        yield from read_lines(self.folder / self.files[index], index, start)


def read_lines(path: Path, index: int = 0, start: int = 0) -> Iterator[RawLine]:
    """The lines of one file, which is the ``index``-th of its journal. Raises CannotRead."""
    try:
        with os.fdopen(tree.open_regular(path), "rb", buffering=1 << 18) as stream:
            stream.seek(start)
            offset = start
            number = 1
            while data := stream.readline(MAX_LINE + 1):
                place = Place(index, path.name, number, offset)
                offset += len(data)
                if data.endswith(b"\n"):
                    yield RawLine(place, data[:-1], True)
                elif len(data) > MAX_LINE:
                    skipped, complete = _skip(stream)
                    offset += skipped
                    yield RawLine(place, None, complete)
                else:
                    yield RawLine(place, data, False)
                number += 1
    except OSError as error:
        reason = error.strerror or str(error)
        raise CannotRead(path, f"无法读取（{reason}）", f"cannot be read ({reason})") from error


def _skip(stream: BinaryIO) -> tuple[int, bool]:
    """Read on to the end of an over-long line: bytes passed over, and whether a line feed ended it."""
    skipped = 0
    while data := stream.readline(MAX_LINE):
        skipped += len(data)
        if data.endswith(b"\n"):
            return skipped, True
    return skipped, False
