"""inotify over the evidence folders: which files were removed or written to. Linux only; thin.

One watch for each folder, so a session's folder is watched when it appears; what happened in it before that is found by
looking through it. When the kernel drops events (``overflow``) the caller looks through everything.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from inotify_simple import INotify, flags

from recorder.session.evidence_watch import Change

log = logging.getLogger("recorder.unit")

_MASK = flags.DELETE | flags.MOVED_FROM | flags.MODIFY | flags.CREATE | flags.MOVED_TO | flags.ONLYDIR
FOLDERS = ("journal", "journal/torn", "segments", "receipts", "statements")


@dataclass(frozen=True, slots=True)
class FileChange:
    path: Path
    change: Change


class FileWatch:
    """Raises OSError from the constructor when the kernel has no watches left."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._inotify = INotify(nonblocking=True)
        self._folders: dict[int, Path] = {}
        self.overflowed = False
        try:
            for name in FOLDERS:
                self._watch(data_dir / name)
            for folder in _folders(data_dir / "segments"):
                self._watch(folder)
        except OSError:
            self._inotify.close()
            raise

    def _watch(self, folder: Path) -> bool:
        if not folder.is_dir():
            return False
        self._folders[self._inotify.add_watch(folder, _MASK)] = folder
        return True

    def read(self) -> list[FileChange]:
        """Everything since the last call, in order. Raises OSError when a new folder cannot be watched."""
        found: list[FileChange] = []
        try:
            events = self._inotify.read(timeout=0)
        except BlockingIOError:
            return found
        for event in events:
            if event.mask & flags.Q_OVERFLOW:
                self.overflowed = True
                continue
            folder = self._folders.get(event.wd)
            if event.mask & flags.IGNORED:
                self._folders.pop(event.wd, None)
            if folder is None or not event.name:
                continue
            path = folder / event.name
            if event.mask & flags.ISDIR:
                if event.mask & (flags.CREATE | flags.MOVED_TO):
                    self._new_folder(path)
            elif event.mask & (flags.DELETE | flags.MOVED_FROM):
                found.append(FileChange(path, "removed"))
            elif event.mask & flags.MODIFY:
                found.append(FileChange(path, "altered"))
        return found

    def _new_folder(self, path: Path) -> None:
        relative = path.relative_to(self._data_dir)
        if relative.parts[0] == "segments" or relative.as_posix() in FOLDERS:
            self._watch(path)

    def add_missing(self) -> None:
        """Folders of the data directory that came to be after the start."""
        watched = set(self._folders.values())
        for name in FOLDERS:
            if self._data_dir / name not in watched and self._watch(self._data_dir / name) and name == "segments":
                for folder in _folders(self._data_dir / name):
                    self._watch(folder)

    def close(self) -> None:
        self._inotify.close()


def _folders(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
