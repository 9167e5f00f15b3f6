"""A lock a capture worker holds while it lives, so that nobody cuts a file it is still writing.

When the unit process dies, its workers see their sockets close, finish their files and exit; that takes a moment. A unit
process that starts in that moment must not recover files yet: the old worker would write behind the cut.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import threading
from pathlib import Path

from firmware_bridge.ports import Clock
from recorder.channel import kill_switch

LOG = logging.getLogger(__name__)

STEP_S = 0.02


def lock_path(socket_path: Path) -> Path:
    return socket_path.with_suffix(".lock")


def hold(socket_path: Path) -> int | None:
    """Called by the worker; the lock ends with the process. None when another worker of this camera still lives."""
    fd = os.open(lock_path(socket_path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)  # both sides lock it
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    os.ftruncate(fd, 0)
    os.write(fd, str(os.getpid()).encode("ascii"))
    return fd


def wait_until_gone(socket_path: Path, clock: Clock, timeout_s: float) -> bool:
    """Called by the unit process before recovery. A worker that does not end in time is killed; True when that was
    needed. Returns only when no worker of this camera is left."""
    killed = False
    deadline = clock.boottime_us() + round(timeout_s * 1e6)
    pause = threading.Event()
    while (pid := _holder(lock_path(socket_path))) is not None:
        if pid > 0 and clock.boottime_us() >= deadline:
            killed = True
            _end(socket_path, pid)
        pause.wait(STEP_S)
    return killed


def _end(socket_path: Path, pid: int) -> None:
    try:
        if not kill_switch.throw(kill_switch.switch_path(socket_path)):
            os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it ended between the look and the kill
    except OSError as error:
        # Of another user and without its switch: systemd's watchdog ends it. Nothing may be cut before that.
        LOG.error("old worker cannot be ended 无法终止旧的采集进程: %s", error)


def _holder(path: Path) -> int | None:
    """Process id of the lock's holder (0 while it has not written it yet), None when the lock is free."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(fd, 32, 0)
        return int(text) if text.isdigit() else 0
    finally:
        os.close(fd)
    return None
