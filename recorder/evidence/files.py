"""Durable files: the one place where evidence meets the disk, and the seam a simulated disk replaces.

What is *not* promised: a disk that lies about flushing loses data whatever is called here; a failed ``fdatasync`` leaves
the file's contents unknown (the kernel may drop the dirty pages), so after one the file is never written again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from firmware_bridge.ports import Medium


class AppendFile(Protocol):
    """A file that only grows. ``write`` writes all or raises OSError; nothing is durable before ``sync`` returns."""

    def write(self, data: bytes | memoryview) -> None: ...

    def sync(self) -> None: ...

    def close(self) -> None: ...


class Files(Protocol):
    """The file operations evidence needs. Paths are absolute. Errors are OSError with errno and path."""

    def create(self, path: Path) -> AppendFile:
        """Create exclusively (O_EXCL), not for others, and sync the directory: the name survives a power cut."""

    def append(self, path: Path) -> AppendFile: ...

    def read(self, path: Path) -> bytes: ...

    def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]: ...

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset``; fewer only where the file ends."""

    def size(self, path: Path) -> int | None:
        """Size in bytes, None when there is no such file."""

    def names(self, directory: Path) -> list[str]:
        """Sorted names in ``directory``; empty when it does not exist."""

    def make_dir(self, path: Path) -> None:
        """With parents; each new name synced."""

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        """Atomic: temporary file, sync, rename, directory sync."""

    def truncate(self, path: Path, size: int) -> None:
        """Cut to ``size`` and sync."""

    def remove(self, path: Path) -> None:
        """Remove and sync the directory."""

    def settle(self, path: Path) -> None:
        """Sync the file and forget what is cached of it: what is read next is what the medium holds.

        After a failed sync the page cache may go on showing bytes no medium has: the kernel takes them for written. A
        record of such a file would promise what the next power cut takes away.
        """

    def free_bytes(self, path: Path) -> int: ...


def sync_dir(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def hand_over(fd: int, folder: Path) -> None:
    """What root makes in another user's folder is that user's: an administrator enrols a unit as root, and the services,
    which are not root, have to read what came of it. Raises OSError."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


class Kernel:
    """``ports.Medium``: the kernel's own calls."""

    def open(self, path: str, flags: int, mode: int) -> int:
        return os.open(path, flags, mode)

    def write(self, descriptor: int, data: memoryview) -> int:
        return os.write(descriptor, data)

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def free_bytes(self, path: str) -> int:
        return shutil.disk_usage(path).free


class OsAppendFile:
    def __init__(self, path: Path, flags: int, medium: Medium, mode: int = 0o640) -> None:
        self._medium = medium
        self._fd = medium.open(str(path), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | flags, mode)

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            view = view[self._medium.write(self._fd, view) :]

    def sync(self) -> None:
        self._medium.fdatasync(self._fd)

    def close(self) -> None:
        os.close(self._fd)


class OsFiles:
    """:class:`Files` on the real disk. ``medium``: the card below it, where the board has one of its own. ``file_mode``,
    ``dir_mode``: of what is created, less the umask."""

    _medium: Medium = Kernel()

    def __init__(self, medium: Medium | None = None, file_mode: int = 0o640, dir_mode: int = 0o750) -> None:
        if medium is not None:
            self._medium = medium
        self._file_mode = file_mode
        self._dir_mode = dir_mode

    def create(self, path: Path) -> AppendFile:
        file = OsAppendFile(path, os.O_CREAT | os.O_EXCL, self._medium, self._file_mode)
        try:
            sync_dir(path.parent)
        except OSError:
            file.close()
            raise
        return file

    def append(self, path: Path) -> AppendFile:
        return OsAppendFile(path, 0, self._medium)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()

    def read_chunks(self, path: Path, chunk: int = 1 << 20) -> Iterator[bytes]:
        with path.open("rb", buffering=0) as file:
            while data := file.read(chunk):
                yield data

    def read_at(self, path: Path, offset: int, size: int) -> bytes:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, size, offset)
            while 0 < len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
                data += more
            return data
        finally:
            os.close(fd)

    def size(self, path: Path) -> int | None:
        try:
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def names(self, directory: Path) -> list[str]:
        try:
            return sorted(os.listdir(directory))  # noqa: PTH208 (names only: a Path of each costs twice as much)
        except FileNotFoundError:
            return []

    def make_dir(self, path: Path) -> None:
        if path.is_dir():
            return
        self.make_dir(path.parent)
        path.mkdir(mode=self._dir_mode, exist_ok=True)
        sync_dir(path.parent)

    def replace(self, path: Path, data: bytes, mode: int = 0o640) -> None:
        temporary = path.with_name(f".{path.name}.new")
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            hand_over(fd, path.parent)
            os.fsync(fd)
        finally:
            os.close(fd)
        temporary.rename(path)
        sync_dir(path.parent)

    def truncate(self, path: Path, size: int) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def remove(self, path: Path) -> None:
        path.unlink()
        sync_dir(path.parent)

    def settle(self, path: Path) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)

    def free_bytes(self, path: Path) -> int:
        return self._medium.free_bytes(str(path))
