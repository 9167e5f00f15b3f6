"""Disk operations of the store that ``recorder.evidence.files`` has no use for: positional, exclusive, durable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from recorder.evidence.files import sync_dir

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def free_bytes(directory: Path) -> int:
    state = os.statvfs(directory)
    return state.f_bavail * state.f_frsize


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """pwrite all of it. Never append mode: after a crash bytes would land behind orphans of the interrupted write."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def write_new(path: Path, data: bytes, mode: int = 0o444) -> None:
    """Create ``path`` durably with ``data``; if it exists with the same content nothing happens (a repeat after a
    crash), with other content FileExistsError."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        write_all(fd, data, 0)
        os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)
    try:
        # link, not rename: rename would replace what is there.
        os.link(temporary, path)
    except FileExistsError:
        if path.read_bytes() != data:
            raise
    finally:
        temporary.unlink()
    sync_dir(path.parent)


def sweep_unfinished(directory: Path) -> None:
    """Remove the temporaries of ``write_new`` calls that a kill ended; whatever was linked stays."""
    if not directory.is_dir():
        return
    left = [path for path in directory.iterdir() if path.name.startswith(".") and path.name.endswith(".new")]
    for path in left:
        path.unlink()
    if left:
        sync_dir(directory)


def make_dirs(path: Path) -> None:
    """With parents, each new name durable."""
    if path.is_dir():
        return
    make_dirs(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    sync_dir(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Append one line durably, after cutting what a crash left of an unfinished one. One writer at a time."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        size = cut_torn_line(fd)
        write_all(fd, line + b"\n", size)
        os.fsync(fd)
    finally:
        os.close(fd)
    if size == 0:
        sync_dir(path.parent)


def cut_torn_line(fd: int) -> int:
    """Cut the file behind its last line end and return its size."""
    size = os.fstat(fd).st_size
    end = size
    while end > 0:
        begin = max(0, end - 65536)
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            end = begin + found + 1
            break
        end = begin
    if end < size:
        os.ftruncate(fd, end)
        os.fsync(fd)
    return end
