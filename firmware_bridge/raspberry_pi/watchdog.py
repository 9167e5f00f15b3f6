"""The board's hardware watchdog through the kernel (Documentation/watchdog/watchdog-api.rst).

For boards whose watchdog systemd does not own: /dev/watchdog0 can be open once only, so either systemd feeds it
(``RuntimeWatchdogSec=``) or this driver does. See docs/architecture.md, "Watchdogs".
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path
from typing import Final, Protocol

from firmware_bridge.ports import DeviceError

# <linux/watchdog.h>: _IOR('W', 5, int), _IOWR('W', 6, int), _IOWR('W', 7, int)
WDIOC_KEEPALIVE: Final = 0x80045705
WDIOC_SETTIMEOUT: Final = 0xC0045706

_INT: Final = struct.Struct("i")
_MAGIC_CLOSE: Final = b"V"
"""Written last, it tells the driver that the end is meant: the watchdog stops (unless built with ``nowayout``)."""


class DeviceCalls(Protocol):
    """The system calls, as the kernel has them. All raise OSError."""

    def open(self, path: Path) -> int: ...

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes: ...

    def write(self, descriptor: int, data: bytes) -> int: ...

    def close(self, descriptor: int) -> None: ...


class KernelCalls:
    """``DeviceCalls``: the kernel's own."""

    def open(self, path: Path) -> int:
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        return fcntl.ioctl(descriptor, request, argument)

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)


class LinuxWatchdog:
    """``ports.Watchdog``. ``timeout_s``: the BCM2835 counts to 15 s at most; a driver that takes another value says which.

    It is armed by the first :meth:`feed`, not before: what a start does (recovery of a long journal) is no hang. A process
    that dies leaves it armed, and the board is reset unless a new one feeds it in time: that is what it is for.
    """

    def __init__(
        self, path: Path = Path("/dev/watchdog0"), timeout_s: int = 15, calls: DeviceCalls | None = None
    ) -> None:
        self._path = path
        self._wanted_s = timeout_s
        self._calls = calls or KernelCalls()
        self._descriptor: int | None = None
        self.timeout_s: int | None = None
        """As the driver set it; None before the first :meth:`feed`."""

    def feed(self) -> None:
        """Raises DeviceError when the watchdog cannot be opened (EBUSY: systemd has it) or fed."""
        try:
            if self._descriptor is None:
                self._arm()
            else:
                self._calls.ioctl(self._descriptor, WDIOC_KEEPALIVE, _INT.pack(0))
        except OSError as error:
            raise DeviceError(
                "watchdog",
                f"{self._path}: 看门狗不可用（已被 systemd 占用？） cannot be used (owned by systemd?): {error}",
                error.errno,
            ) from error

    def close(self) -> None:
        """An orderly end: the board is not reset."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            self._calls.write(descriptor, _MAGIC_CLOSE)
        finally:
            self._calls.close(descriptor)

    def _arm(self) -> None:
        """Opening starts it with the driver's own time limit."""
        self._descriptor = self._calls.open(self._path)
        answer = self._calls.ioctl(self._descriptor, WDIOC_SETTIMEOUT, _INT.pack(self._wanted_s))
        (self.timeout_s,) = _INT.unpack(answer)
