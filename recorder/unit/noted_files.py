"""``Files`` that remembers what this process itself removes and changes: whatever else happens is somebody else's doing."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

from firmware_bridge.ports import Medium
from recorder.evidence.files import AppendFile, OsFiles

KEPT = 4096
"""Own removals remembered until they are seen again by the watch: it looks five times a second."""


class NotedFiles(OsFiles):
    def __init__(self, medium: Medium | None = None) -> None:
        super().__init__(medium)
        self._gone: OrderedDict[Path, None] = OrderedDict()
        self._changed: OrderedDict[Path, None] = OrderedDict()

    def append(self, path: Path) -> AppendFile:
        _note(self._changed, path)
        return super().append(path)

    def create(self, path: Path) -> AppendFile:
        _note(self._changed, path)
        return super().create(path)

    def truncate(self, path: Path, size: int) -> None:
        _note(self._changed, path)
        super().truncate(path, size)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        # The temporary is renamed away: for a watch that looks like a removal.
        _note(self._gone, path.with_name(f".{path.name}.new"))
        super().replace(path, data, mode)

    def remove(self, path: Path) -> None:
        _note(self._gone, path)
        super().remove(path)

    def took(self, path: Path) -> bool:
        """This process removed ``path``; asked once for each removal."""
        return self._gone.pop(path, self._gone) is not self._gone

    def changes(self, path: Path) -> bool:
        """This process wrote to ``path`` lately, or cut it."""
        return path in self._changed


def _note(book: OrderedDict[Path, None], path: Path) -> None:
    book[path] = None
    book.move_to_end(path)
    while len(book) > KEPT:
        book.popitem(last=False)
