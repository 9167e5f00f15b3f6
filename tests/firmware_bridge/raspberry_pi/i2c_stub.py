"""An I²C adapter in memory that does what the kernel's i2c-stub does: SMBus bytes and words, and errors on demand."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import dataclass, field

from firmware_bridge.raspberry_pi.i2c import swapped


@dataclass
class StubBus:
    """``I2cBus``. ``chips``: address → register → word as SMBus has it (low byte first). ``failing``: errno of every
    transfer. ``hang``: while clear, a transfer does not return."""

    number: int = 1
    chips: dict[int, dict[int, int]] = field(default_factory=dict)
    failing: int | None = None
    hang: threading.Event = field(default_factory=threading.Event)
    transfers: int = 0

    def __post_init__(self) -> None:
        self.hang.set()

    def put(self, address: int, register: int, value: int) -> None:
        """``value`` as the data sheet has it: high byte first."""
        self.chips.setdefault(address, {})[register] = swapped(value)

    def shown(self, address: int, register: int) -> int:
        return swapped(self.chips[address][register])

    def read_byte(self, address: int, register: int) -> int:
        return self._chip(address).get(register, 0) & 0xFF

    def write_byte(self, address: int, register: int, value: int) -> None:
        self._chip(address)[register] = value

    def read_word(self, address: int, register: int) -> int:
        return self._chip(address).get(register, 0)

    def write_word(self, address: int, register: int, value: int) -> None:
        self._chip(address)[register] = value

    def close(self) -> None:
        self.hang.set()

    def _chip(self, address: int) -> dict[int, int]:
        self.transfers += 1
        self.hang.wait()
        if self.failing is not None:
            raise OSError(self.failing, os.strerror(self.failing))
        if address not in self.chips:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return self.chips[address]
