"""Looking at a folder that may be hostile: nothing outside it is read, no link followed, only regular files opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence.errors import CannotRead


@dataclass(frozen=True, slots=True)
class Node:
    """One name below a folder. ``name`` is relative, with ``/``. ``kind``: ``file`` or why it is not one."""

    name: str
    size: int
    kind: str

    @property
    def regular(self) -> bool:
        return self.kind == "file"


def is_folder(path: Path) -> bool:
    """A real folder, not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise CannotRead(path, f"无法读取（{error.strerror}）", f"cannot be read ({error.strerror})") from error


def names(folder: Path) -> list[str]:
    """Sorted names in ``folder``. Raises CannotRead."""
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise CannotRead(folder, f"无法读取（{error.strerror}）", f"cannot be read ({error.strerror})") from error


def walk(folder: Path, depth: int, prefix: str = "") -> Iterator[Node]:
    """Everything below ``folder`` that is not a folder, to ``depth`` levels of folders. Raises CannotRead."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise CannotRead(folder, f"无法读取（{error.strerror}）", f"cannot be read ({error.strerror})") from error
    for entry in found:
        name = prefix + entry.name
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            if depth > 0:
                yield from walk(folder / entry.name, depth - 1, name + "/")
            else:
                yield Node(name, 0, "folder")
        else:
            yield Node(name, status.st_size, _kind(status.st_mode))


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISLNK(mode):
        return "symlink"
    return "special"


def open_regular(path: Path) -> int:
    """File descriptor of a regular file, opened without following a link at its end. Raises OSError.

    O_NONBLOCK: a FIFO put in a file's place would otherwise hang the verifier before it can look at it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(f"not a regular file: {path}")
    return fd
