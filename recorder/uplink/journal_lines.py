"""Read journal lines by sequence number, for posting: whole lines, a bounded batch, never a whole file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from recorder.uplink.faults import JOURNAL_HOLE, UplinkFault
from recorder.uplink.journal_tail import BLOCK, MAX_LINE, JournalFile, journal_files, line_payload


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
        """First line of the next file beyond ``seq``, None without one up to ``last_seq``: where a journal goes on that has
        lost what is between. Raises OSError."""
        later = [file.first_seq for file in journal_files(self._directory) if seq < file.first_seq <= last_seq]
        return min(later, default=None)

    def _batch(self, from_seq: int, last_seq: int, max_bytes: int) -> Batch:
        files = journal_files(self._directory)
        file = self._file_of(files, from_seq)
        following = min((f.first_seq for f in files if f.first_seq > file.first_seq), default=None)
        end = last_seq if following is None else min(last_seq, following - 1)
        with file.path.open("rb", buffering=BLOCK) as stream:
            start = self._seek(file, from_seq, stream.fileno())
            stream.seek(start)
            parts: list[bytes] = []
            total = 0
            seq = from_seq
            while seq <= end:
                line = stream.readline(MAX_LINE + 2)
                if not line.endswith(b"\n") or (parts and total + len(line) > max_bytes):
                    break
                if not parts:
                    _must_be(line, from_seq, file.path)
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

    def _seek(self, file: JournalFile, seq: int, fd: int) -> int:
        if self._at is not None and self._at[:2] == (seq, file.path):
            return self._at[2]
        skip = seq - file.first_seq
        position = 0
        while skip > 0:
            block = os.pread(fd, BLOCK, position)
            if not block:
                raise UplinkFault(JOURNAL_HOLE, f"{file.path.name}: seq {seq} 不存在 is not there")
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


def _must_be(line: bytes, seq: int, path: Path) -> None:
    try:
        found = line_payload(line.rstrip(b"\n")).get("seq")
    except ValueError as error:
        raise UplinkFault(JOURNAL_HOLE, f"{path.name}: seq {seq}: {error}") from error
    if found != seq:
        raise UplinkFault(JOURNAL_HOLE, f"{path.name}: 应为 expected seq {seq}, 实为 found {found!r}")
