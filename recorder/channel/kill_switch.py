"""A kill switch for a process of another user, without a privilege: a FIFO whose first byte ends its reader.

The worker runs as a user of its own, so the unit process may not send it a signal. It therefore arms a FIFO in advance:
``F_SETSIG`` lets the kernel send a signal of choice when there is something to read (fcntl(2)), and the choice is SIGKILL.
What the worker hangs in does not matter: no instruction of its own is needed, be it in C code that holds the interpreter's
lock or in a thread that spins. (Only a process in an uninterruptible system call outlives it, as any SIGKILL.)

The worker opens the FIFO for writing, too: so the end of the unit process is no event here. A worker whose unit process
died sees its channel close, closes its file and goes (``recorder.capture.worker``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import stat
from pathlib import Path

_NOT_THERE = (errno.ENOENT, errno.ENXIO)


def switch_path(socket_path: Path) -> Path:
    return socket_path.with_suffix(".kill")


def make(path: Path) -> None:
    """By the unit process, before a worker is started. Raises OSError."""
    with contextlib.suppress(FileExistsError):
        os.mkfifo(path, 0o660)
        path.chmod(0o660)  # the umask would keep the worker's group out


def arm(path: Path) -> int:
    """By the worker, as early as can be. The descriptor has to stay open. Raises OSError."""
    fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        # What was written before it was armed is no event any more.
        if select.select([fd], [], [], 0)[0]:
            os.kill(os.getpid(), signal.SIGKILL)
    except OSError:
        os.close(fd)
        raise
    return fd


def throw(path: Path) -> bool:
    """By the unit process: SIGKILL for whoever armed ``path``. False when nobody has. Raises OSError."""
    try:
        # NOFOLLOW and the check: the folder is the worker's, too, and what it puts there must not be written to.
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in _NOT_THERE:
            return False
        raise
    try:
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "不是 FIFO not a FIFO", str(path))
        os.write(fd, b"k")
    except BrokenPipeError:
        return False
    finally:
        os.close(fd)
    return True
