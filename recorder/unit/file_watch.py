"""inotify over the evidence folders: which files were removed, written to or replaced. Linux only; thin.

One watch for each folder, so a session's folder is watched when it appears. What may have happened unseen (the kernel
dropped events, a folder came with its contents, or could not be watched for a while) is told by ``missed``: the caller
looks through everything.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from inotify_simple import INotify, flags

from recorder.session.evidence_watch import FOLDERS, Change

_MASK = (
    *(flags.DELETE, flags.MOVED_FROM, flags.MOVED_TO, flags.MODIFY),  # of files
    *(flags.CREATE, flags.MOVE_SELF, flags.ONLYDIR),  # of folders
)


@dataclass(frozen=True, slots=True)
class FileChange:
    """``path`` of a file, or of a folder that was moved away with all that is in it."""

    path: Path
    change: Change


class FileWatch:
    """Raises OSError from the constructor when the kernel has no watch to give at all.

    ``unwatched``: folders it has no watch left for, and why; each :meth:`read` tries them again.
    """

    def __init__(self, data_dir: Path, make: Callable[[], INotify] = lambda: INotify(nonblocking=True)) -> None:
        self._data_dir = data_dir
        self._inotify = make()
        self._folders: dict[int, Path] = {}
        self.unwatched: dict[Path, str] = {}
        self.missed = False
        # Of the data folder itself only that folders appear in it: the index writes there all the time.
        self._folders[self._inotify.add_watch(data_dir, flags.CREATE | flags.MOVED_TO | flags.ONLYDIR)] = data_dir
        for name in FOLDERS:
            self._watch(data_dir / name)
        for folder in _folders(data_dir / "segments"):
            self._watch(folder)

    def _watch(self, folder: Path) -> bool:
        """True: it is watched now."""
        if not folder.is_dir():
            self.unwatched.pop(folder, None)
            return False
        try:
            self._folders[self._inotify.add_watch(folder, sum(_MASK))] = folder
        except (FileNotFoundError, NotADirectoryError):
            return False  # gone again meanwhile
        except OSError as error:
            self.unwatched[folder] = str(error)
            return False
        if self.unwatched.pop(folder, None) is not None:
            self.missed = True
        return True

    def read(self) -> list[FileChange]:
        """Everything since the last call, in order; writing to the same file again is told once."""
        for refused in list(self.unwatched):
            self._watch(refused)
        found: list[FileChange] = []
        told: set[Path] = set()
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.Q_OVERFLOW:
                self.missed = True
                continue
            folder = self._folders.get(event.wd)
            if folder == self._data_dir and not event.mask & flags.ISDIR:
                continue
            if event.mask & flags.IGNORED:
                self._folders.pop(event.wd, None)
            elif folder is None:
                continue  # of a folder that was moved away before
            elif event.mask & flags.MOVE_SELF:
                self._forget(folder)
                found.append(FileChange(folder, "removed"))
            elif event.mask & flags.ISDIR:
                found += self._folder_event(event.mask, folder / event.name)
            elif change := _change(event.mask):
                path = folder / event.name
                if change != "altered":
                    told.discard(path)
                elif path in told:
                    continue
                else:
                    told.add(path)
                found.append(FileChange(path, change))
        return found

    def _folder_event(self, mask: int, path: Path) -> list[FileChange]:
        if mask & flags.MOVED_FROM:
            self._forget(path)
            return [FileChange(path, "removed")]
        name = path.relative_to(self._data_dir)
        if mask & (flags.CREATE | flags.MOVED_TO) and (name.parts[0] == "segments" or name.as_posix() in FOLDERS):
            self._watch(path)
            for folder in _folders(path):  # made before the watch was there
                if folder.relative_to(self._data_dir).as_posix() in FOLDERS or name.parts == ("segments",):
                    self._watch(folder)
            self.missed = self.missed or bool(mask & flags.MOVED_TO)  # it did not come empty
        return []

    def _forget(self, folder: Path) -> None:
        """The folder was moved away, and with it everything below."""
        for wd in [wd for wd, path in self._folders.items() if path == folder or folder in path.parents]:
            del self._folders[wd]
            with contextlib.suppress(OSError):  # destroyed meanwhile, and the watch with it
                self._inotify.rm_watch(wd)

    def close(self) -> None:
        self._inotify.close()


def _change(mask: int) -> Change | None:
    if mask & (flags.DELETE | flags.MOVED_FROM):
        return "removed"
    if mask & flags.MOVED_TO:
        return "replaced"
    return "altered" if mask & flags.MODIFY else None


def _folders(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
