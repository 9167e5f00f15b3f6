"""``Files`` that remembers what this process itself removes and changes: whatever else happens is somebody else's doing."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from firmware_bridge.ports import Medium
from recorder.evidence.files import AppendFile, OsFiles

KEPT = 4096
"""Own changes remembered until the watch has seen them: it looks five times a second."""


class NotedFiles(OsFiles):
    """A file is this process's own to write while it holds it open, and until the watch has taken in what it wrote last
    (:meth:`written`, :meth:`seen`). After that even a file of its own making is evidence like every other."""

    def __init__(self, medium: Medium | None = None) -> None:
        super().__init__(medium)
        self._gone: OrderedDict[Path, int] = OrderedDict()
        """How often: a journal that is refused removes and makes the same file again, more than once between two looks."""
        self._open: set[Path] = set()
        self._written: OrderedDict[Path, int] = OrderedDict()

    def append(self, path: Path) -> AppendFile:
        return _Noted(super().append(path), path, self._open, self._written)

    def create(self, path: Path) -> AppendFile:
        return _Noted(super().create(path), path, self._open, self._written)

    def truncate(self, path: Path, size: int) -> None:
        _note(self._written, path)
        super().truncate(path, size)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        # The temporary is renamed away: for a watch that looks like a removal.
        _note(self._gone, path.with_name(f".{path.name}.new"))
        _note(self._written, path)
        super().replace(path, data, mode)

    def remove(self, path: Path) -> None:
        _note(self._gone, path)
        try:
            super().remove(path)
        except OSError:
            if path.exists():
                self.took(path)  # it is still there: whoever removes it later is not this process
            raise

    def took(self, path: Path) -> bool:
        """This process removed ``path``; asked once for each removal."""
        times = self._gone.pop(path, 0)
        if times > 1:
            self._gone[path] = times - 1
        return times > 0

    def changes(self, path: Path) -> bool:
        """This process writes to ``path``, or did until just now."""
        return path in self._open or path in self._written

    def written(self) -> list[Path]:
        """Files done with since the last :meth:`seen`: what the kernel still tells of them is this process's doing."""
        return list(self._written)

    def seen(self, paths: list[Path]) -> None:
        """The watch has read everything up to the moment when ``paths`` were :meth:`written`."""
        for path in paths:
            self._written.pop(path, None)


class _Noted:
    def __init__(self, inner: AppendFile, path: Path, opened: set[Path], written: OrderedDict[Path, int]) -> None:
        self._inner = inner
        self._path = path
        self._open = opened
        self._written = written
        opened.add(path)

    def write(self, data: bytes | memoryview) -> None:
        self._inner.write(data)

    def sync(self) -> None:
        self._inner.sync()

    def close(self) -> None:
        _note(self._written, self._path)
        self._open.discard(self._path)
        self._inner.close()


def _note(book: OrderedDict[Path, int], path: Path) -> None:
    book[path] = book.get(path, 0) + 1
    book.move_to_end(path)
    while len(book) > KEPT:
        book.popitem(last=False)
