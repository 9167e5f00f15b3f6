"""The kernel's watchdog interface, with the kernel replaced: what is asked of it, in which order."""

from __future__ import annotations

import errno
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.watchdog import WDIOC_KEEPALIVE, WDIOC_SETTIMEOUT, LinuxWatchdog

DEVICE = Path("/dev/watchdog0")


@dataclass
class FakeKernel:
    """A watchdog that counts to ``most_s`` at most, as the driver of the BCM2835 does."""

    most_s: int = 15
    done: list[str] = field(default_factory=list)
    refuses: int | None = None

    def open(self, path: Path) -> int:
        self._may()
        self.done.append(f"open {path}")
        return 9

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        self._may()
        if request == WDIOC_KEEPALIVE:
            self.done.append("keepalive")
            return argument
        assert request == WDIOC_SETTIMEOUT and descriptor == 9
        (seconds,) = struct.unpack("i", argument)
        self.done.append(f"timeout {seconds}")
        return struct.pack("i", min(seconds, self.most_s))

    def write(self, descriptor: int, data: bytes) -> int:
        self._may()
        self.done.append(f"write {data!r}")
        return len(data)

    def close(self, descriptor: int) -> None:
        self.done.append("close")

    def _may(self) -> None:
        if self.refuses is not None:
            raise OSError(self.refuses, os.strerror(self.refuses))


def test_armed_by_the_first_feeding_and_stopped_in_order() -> None:
    kernel = FakeKernel()
    watchdog = LinuxWatchdog(DEVICE, 10, kernel)
    assert kernel.done == [], "a start that takes long is no hang"
    for _ in range(3):
        watchdog.feed()
    assert watchdog.timeout_s == 10
    watchdog.close()
    watchdog.close()
    assert kernel.done == ["open /dev/watchdog0", "timeout 10", "keepalive", "keepalive", "write b'V'", "close"]


def test_the_driver_says_how_long_it_really_counts() -> None:
    watchdog = LinuxWatchdog(DEVICE, 60, FakeKernel())
    watchdog.feed()
    assert watchdog.timeout_s == 15


def test_a_watchdog_that_was_never_fed_is_not_touched_at_the_end() -> None:
    kernel = FakeKernel()
    LinuxWatchdog(DEVICE, 10, kernel).close()
    assert kernel.done == []


def test_one_that_systemd_has_is_named_and_tried_again() -> None:
    kernel = FakeKernel(refuses=errno.EBUSY)
    watchdog = LinuxWatchdog(DEVICE, 10, kernel)
    with pytest.raises(DeviceError, match=r"watchdog: /dev/watchdog0: .*systemd") as caught:
        watchdog.feed()
    assert caught.value.errno == errno.EBUSY
    kernel.refuses = None
    watchdog.feed()
    assert kernel.done == ["open /dev/watchdog0", "timeout 10"]


def test_the_descriptor_is_closed_though_the_magic_is_refused() -> None:
    kernel = FakeKernel()
    watchdog = LinuxWatchdog(DEVICE, 10, kernel)
    watchdog.feed()
    kernel.refuses = errno.EIO
    with pytest.raises(OSError, match="Input/output"):
        watchdog.close()
    assert kernel.done[-1] == "close"


def test_the_request_numbers_are_the_kernel_s() -> None:
    """_IOR('W', 5, int) and _IOWR('W', 6, int) of <linux/watchdog.h>, put together as <asm-generic/ioctl.h> does."""
    read, write = 2, 1
    assert read << 30 | 4 << 16 | ord("W") << 8 | 5 == WDIOC_KEEPALIVE
    assert (read | write) << 30 | 4 << 16 | ord("W") << 8 | 6 == WDIOC_SETTIMEOUT
