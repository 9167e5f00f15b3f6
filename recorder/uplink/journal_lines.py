"""Read journal lines by sequence number, for posting: whole lines, a bounded batch, never a whole file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.journal_reader import parse
from recorder.uplink.faults import JOURNAL_HOLE, UplinkFault
from recorder.uplink.journal_tail import BLOCK, MAX_LINE, JournalFile, journal_files, line_payload, line_type


@dataclass(frozen=True, slots=True)
class Batch:
    """``body``: complete lines ``from_seq`` … ``last_seq``, each ended by a newline."""

    from_seq: int
    last_seq: int
    body: bytes


class JournalLines:
    """Remembers where the last batch ended, so that going on costs one seek."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._at: tuple[int, Path, int] | None = None

    def batch(self, from_seq: int, last_seq: int, max_bytes: int = 1 << 20) -> Batch:
        """Lines from ``from_seq`` up to ``last_seq``, at least one, as many as fit in ``max_bytes``.

        Raises UplinkFault ``journal-hole`` when the line is not where the file names say, OSError from the disk.
        """
        try:
            return self._batch(from_seq, last_seq, max_bytes)
        except (UplinkFault, OSError):
            self._at = None
            raise

    def first_beyond(self, seq: int, last_seq: int) -> int | None:
        """The next line beyond ``seq`` that can be read, None without one up to ``last_seq``: where a journal goes on that
        has lost what is between. Raises OSError."""
        files = journal_files(self._directory)
        for index, file in enumerate(files):
            end = min(last_seq, files[index + 1].first_seq - 1) if index + 1 < len(files) else last_seq
            begin = max(seq + 1, file.first_seq)
            if end < begin:
                continue
            # The smallest, not the first: a damaged line may well read as one with another number.
            found: int | None = None
            for number, _ in _numbered(file.path):
                if begin <= number <= end and (found is None or number < found):
                    found = number
                    if found == begin:
                        break
            if found is not None:
                return found
        return None

    def vouched_for(self, seq: int, last_seq: int) -> bool:
        """Whether line ``seq`` is what was written, as far as the journal itself tells: the line after it names its digest.
        True, too, where there is no line after it yet: nothing says otherwise. False where that one cannot be read.

        Raises UplinkFault ``journal-hole`` when ``seq`` itself cannot be read, OSError."""
        return self._named_by_the_next(seq, last_seq) == "this" or seq >= last_seq

    def contradicted(self, seq: int, last_seq: int) -> bool:
        """Whether the line after ``seq`` names another digest: it has changed since it was written. Raises as above."""
        return self._named_by_the_next(seq, last_seq) == "another"

    def _named_by_the_next(self, seq: int, last_seq: int) -> Literal["this", "another", "nothing"]:
        line = self.batch(seq, seq).body
        if seq >= last_seq:
            return "nothing"
        try:
            following = self.batch(seq + 1, seq + 1).body
        except UplinkFault:
            return "nothing"
        named = line_payload(following.rstrip(b"\n")).get("prev")
        return "this" if named == sha256_b64u(line.rstrip(b"\n")) else "another"

    def boot_lines(self, kid: str) -> Iterator[bytes]:
        """The ``boot`` lines that name the key ``kid`` and can be read, in order, their ends included. Raises OSError."""
        types: dict[bytes, str] = {}
        for file in journal_files(self._directory):
            with file.path.open("rb", buffering=BLOCK) as stream:
                while line := stream.readline(MAX_LINE + 2):
                    if _is_boot(line, types) and parse(line[:-1]).kid == kid:
                        yield line

    def _batch(self, from_seq: int, last_seq: int, max_bytes: int) -> Batch:
        files = journal_files(self._directory)
        file = self._file_of(files, from_seq)
        following = min((f.first_seq for f in files if f.first_seq > file.first_seq), default=None)
        end = last_seq if following is None else min(last_seq, following - 1)
        with file.path.open("rb", buffering=BLOCK) as stream:
            start = self._find(file, from_seq, stream)
            stream.seek(start)
            parts: list[bytes] = []
            total = 0
            seq = from_seq
            while seq <= end:
                line = stream.readline(MAX_LINE + 2)
                # One that cannot be read ends the batch: what is before it goes up, and the next batch says what is lost.
                if _seq_of(line) != seq or (parts and total + len(line) > max_bytes):
                    break
                parts.append(line)
                total += len(line)
                seq += 1
            if not parts:
                raise UplinkFault(JOURNAL_HOLE, f"{file.path.name}: seq {from_seq} 不存在 is not there")
        self._at = (seq, file.path, start + total)
        return Batch(from_seq, seq - 1, b"".join(parts))

    def _file_of(self, files: list[JournalFile], seq: int) -> JournalFile:
        holding = [file for file in files if file.first_seq <= seq]
        if not holding:
            raise UplinkFault(JOURNAL_HOLE, f"seq {seq}: 没有包含它的日志文件 no journal file holds it")
        return holding[-1]

    def _find(self, file: JournalFile, seq: int, stream: BinaryIO) -> int:
        """Where line ``seq`` begins: by counting, or, where damage has taken line ends too, by looking at every line."""
        if self._at is not None and self._at[:2] == (seq, file.path):
            return self._at[2]
        counted = _counted(stream.fileno(), seq - file.first_seq)
        if counted is not None:
            stream.seek(counted)
            if _seq_of(stream.readline(MAX_LINE + 2)) == seq:
                return counted
        for number, position in _numbered(file.path):
            if number == seq:
                return position
        raise UplinkFault(JOURNAL_HOLE, f"{file.path.name}: seq {seq} 不存在或无法读取 is not there or cannot be read")


def _counted(fd: int, skip: int) -> int | None:
    """Where the line behind ``skip`` line ends begins."""
    position = 0
    while skip > 0:
        block = os.pread(fd, BLOCK, position)
        if not block:
            return None
        count = block.count(b"\n")
        if count < skip:
            skip -= count
            position += len(block)
            continue
        index = -1
        for _ in range(skip):
            index = block.index(b"\n", index + 1)
        return position + index + 1
    return position


def _numbered(path: Path) -> Iterator[tuple[int, int]]:
    """(seq, where it begins) of every line of a file that can be read."""
    with path.open("rb", buffering=BLOCK) as stream:
        position = 0
        while line := stream.readline(MAX_LINE + 2):
            seq = _seq_of(line)
            if seq is not None:
                yield seq, position
            position += len(line)


def _is_boot(line: bytes, types: dict[bytes, str]) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        return line_type(line, types) == "boot" and parse(line[:-1]).typ == "boot"
    except ValueError:
        return False


def _seq_of(line: bytes) -> int | None:
    """Of a whole line with the form of a record, None for anything else. Signatures are the store's to verify."""
    if not line.endswith(b"\n"):
        return None
    try:
        return int(parse(line[:-1]).payload["seq"])
    except ValueError:
        return None
