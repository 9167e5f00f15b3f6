"""The stored lines of one journal: files named by the ``seq`` of their first line, appended durably, cut after a crash."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from hw_sim.agency.store.disk import cut_torn_line, make_dirs, write_all
from hw_sim.agency.store.journal_rules import Head
from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import sync_dir

FILE_BYTES = 8 << 20
"""A new file is begun beyond this: comparing a repeated post reads one file, not the journal."""
MOST_LINES = 10**12
"""``seq`` is below this: the names of the files have twelve digits, a line a second for thirty thousand years."""
_NAME = re.compile(r"^(\d{12})\.jws$")


class JournalLog:
    """Not thread-safe: its journal's lock is held. After an OSError ``open`` must be called again."""

    def __init__(self, directory: Path, file_bytes: int = FILE_BYTES) -> None:
        self.directory = directory
        self._file_bytes = file_bytes
        self.head = Head()
        self._last: Path | None = None
        self._size = 0
        self._ready = False

    def open(self) -> Head:
        """Cut a torn last line (ours, from our own crash: it was never answered for) and find the head."""
        self.head, self._last, self._size = Head(), None, 0
        for first_seq, path in reversed(self._files()):
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                size = cut_torn_line(fd)
            finally:
                os.close(fd)
            if size == 0:
                path.unlink()  # created, and the crash came before its first line was whole
                sync_dir(self.directory)
                continue
            count, line = _count(path)
            parts = jws.split(line.decode("ascii"))
            self.head = Head(first_seq + count, sha256_b64u(line), parts.kid)
            self._last, self._size = path, size
            break
        self._ready = True
        return self.head

    def current(self) -> bool:
        """Whether ``head`` is still the newest line: another instance may have appended."""
        files = self._files()
        last = files[-1][1] if files else None
        return self._ready and last == self._last and (last is None or last.stat().st_size == self._size)

    def catch_up(self) -> Head:
        """Read what another instance appended, and that alone. Its journal's lock is held, so a torn end is a crash's."""
        self._ready = False
        for first_seq, path in self._files():
            if self._last is not None and path.name < self._last.name:
                continue
            begin = self._size if path == self._last else 0
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            try:
                size = cut_torn_line(fd)
            finally:
                os.close(fd)
            if size < begin or size == 0:
                return self.open()
            count, line = _count(path, begin)
            if count:
                base = self.head.next_seq if path == self._last else first_seq
                self.head = Head(base + count, sha256_b64u(line), jws.split(line.decode("ascii")).kid)
            self._last, self._size = path, size
        self._ready = True
        return self.head

    def aligned(self, from_seq: int) -> Iterator[bytes | None]:
        """Line by line from ``from_seq`` on; None where the unit had lost one before it was here."""
        expected = from_seq
        for seq, line in self.lines(from_seq):
            while expected < seq:
                yield None
                expected += 1
            yield line
            expected += 1

    def lines(self, from_seq: int) -> Iterator[tuple[int, bytes]]:
        """Stored lines from ``from_seq`` on, with their numbers, without their ends."""
        files = self._files()
        for index, (first_seq, path) in enumerate(files):
            if index + 1 < len(files) and files[index + 1][0] <= from_seq:
                continue
            with path.open("rb") as file:
                for seq, line in enumerate(file, first_seq):
                    if seq >= from_seq:
                        yield seq, line[:-1]

    def append(self, head: Head, lines: Sequence[bytes]) -> None:
        """Durable on return; ``head`` is what the log has then. On an OSError nothing counts as stored.

        Lines that do not begin where the log ends (the unit has lost some) begin a file of their own, whose name shows it.
        """
        if head.next_seq > MOST_LINES:
            raise ValueError(f"seq {head.next_seq - 1}: a file of this name would not be found again")
        if not self._ready:
            self.open()
        self._ready = False
        path, start = self._last, self._size
        first_seq = head.next_seq - len(lines)
        new = path is None or start >= self._file_bytes or first_seq != self.head.next_seq
        if path is None or new:
            make_dirs(self.directory)
            path, start = self.directory / f"{first_seq:012d}.jws", 0
        data = b"".join(line + b"\n" for line in lines)
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if new else 0), 0o640)
        try:
            try:
                write_all(fd, data, start)
                os.fdatasync(fd)
            except OSError:
                # A full disk: what is there of these lines must not be read back as stored.
                os.ftruncate(fd, start)
                raise
        finally:
            os.close(fd)
        if new:
            sync_dir(self.directory)
        self._last, self._size = path, start + len(data)
        self.head = head
        self._ready = True

    @property
    def ready(self) -> bool:
        return self._ready

    def _files(self) -> list[tuple[int, Path]]:
        try:
            paths = sorted(self.directory.iterdir())
        except FileNotFoundError:
            return []
        return [(int(match[1]), path) for path in paths if (match := _NAME.match(path.name))]


def _count(path: Path, begin: int = 0) -> tuple[int, bytes]:
    """(number of lines from byte ``begin`` on, the last one without its end)."""
    count, last = 0, b""
    with path.open("rb") as file:
        file.seek(begin)
        for count, last in enumerate(file, 1):  # noqa: B007  # the last pair is what is wanted
            pass
    return count, last[:-1]
