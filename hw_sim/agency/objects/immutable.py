"""The immutable flag of ext4, XFS, Btrfs (``chattr +i``): with it not even root writes, renames or unlinks a file before
somebody with CAP_LINUX_IMMUTABLE has taken it away again. A lock against accidents and against a stolen service account,
no lock against the machine's administrator. See ioctl_iflags(2)."""

from __future__ import annotations

import array
import fcntl
import os
from pathlib import Path

FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
FS_IMMUTABLE_FL = 0x00000010


def is_immutable(path: Path) -> bool:
    """Raises OSError where the file system has no such flags."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return bool(_flags(fd) & FS_IMMUTABLE_FL)
    finally:
        os.close(fd)


def set_immutable(path: Path, on: bool = True) -> None:
    """Raises OSError: EPERM without the capability, ENOTTY or EOPNOTSUPP where the file system has no such flag."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = _flags(fd)
        wanted = flags | FS_IMMUTABLE_FL if on else flags & ~FS_IMMUTABLE_FL
        if wanted != flags:
            fcntl.ioctl(fd, FS_IOC_SETFLAGS, array.array("l", [wanted]))
            os.fsync(fd)
    finally:
        os.close(fd)


def _flags(fd: int) -> int:
    buffer = array.array("l", [0])
    fcntl.ioctl(fd, FS_IOC_GETFLAGS, buffer, True)
    return buffer[0]
