"""I²C chips by SMBus byte and word calls, the only ones every adapter has (``i2c-stub`` offers no others).

A transfer blocks the calling thread until the chip answers or the adapter gives up (about a second on a Raspberry Pi when
a chip holds the clock): chips are read on a thread of their own (``polling.py``), never on the unit's loop.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final, Protocol

from firmware_bridge.ports import DeviceError

if TYPE_CHECKING:
    from smbus2 import SMBus

_ABSENT: Final = frozenset({errno.ENODEV, errno.ENXIO, errno.EREMOTEIO})
"""Nobody acknowledged the address: EREMOTEIO from the Pi's adapter (i2c-bcm2835), ENXIO from others, ENODEV from
i2c-stub."""


class I2cBus(Protocol):
    """One adapter. ``address``: 7 bits. Words travel low byte first, as SMBus has them. All calls raise OSError."""

    number: int

    def read_byte(self, address: int, register: int) -> int: ...

    def write_byte(self, address: int, register: int, value: int) -> None: ...

    def read_word(self, address: int, register: int) -> int: ...

    def write_word(self, address: int, register: int, value: int) -> None: ...

    def close(self) -> None: ...


class SmbusBus:
    """``I2cBus`` on /dev/i2c-``number``. ``bus``: smbus2's, open."""

    def __init__(self, number: int, bus: SMBus) -> None:
        self.number = number
        self._bus = bus

    def read_byte(self, address: int, register: int) -> int:
        return self._bus.read_byte_data(address, register)

    def write_byte(self, address: int, register: int, value: int) -> None:
        self._bus.write_byte_data(address, register, value)

    def read_word(self, address: int, register: int) -> int:
        return self._bus.read_word_data(address, register)

    def write_word(self, address: int, register: int, value: int) -> None:
        self._bus.write_word_data(address, register, value)

    def close(self) -> None:
        self._bus.close()


def open_bus(number: int) -> I2cBus:
    """Raises DeviceError when /dev/i2c-``number`` is not there or may not be used."""
    # Imported here: most boards have no such chip, and no other process has use for the library.
    from smbus2 import SMBus

    try:
        return SmbusBus(number, SMBus(number))
    except OSError as error:
        raise DeviceError(
            f"i2c-{number}",
            f"无法打开 I²C 总线（应在 config.txt 启用，用户应属于 i2c 组） cannot be opened (enable it in config.txt: "
            f"dtparam=i2c_arm=on; the user must be in group i2c): {error}",
            error.errno,
        ) from error


class I2cChip:
    """One chip's registers; errors come as DeviceError naming chip, bus and address."""

    def __init__(self, bus: I2cBus, name: str, address: int) -> None:
        self.name = name
        self._bus = bus
        self._address = address

    def word(self, register: int) -> int:
        """A 16-bit register of a chip that sends the high byte first, as all of ours do."""
        try:
            return swapped(self._bus.read_word(self._address, register))
        except OSError as error:
            raise self._refused("读取失败 cannot read", register, error) from error

    def write_word(self, register: int, value: int) -> None:
        """High byte first."""
        try:
            self._bus.write_word(self._address, register, swapped(value))
        except OSError as error:
            raise self._refused("写入失败 cannot write", register, error) from error

    def failure(self, message: str) -> DeviceError:
        """A DeviceError of this chip: it answers, and what it says cannot be."""
        return DeviceError(self.name, f"i2c-{self._bus.number} 0x{self._address:02x}: {message}")

    def _refused(self, problem: str, register: int, error: OSError) -> DeviceError:
        if error.errno in _ABSENT:
            problem = "无应答，芯片不在或者未供电 no answer: the chip is not there or has no power"
        place = f"i2c-{self._bus.number} 0x{self._address:02x} 寄存器 register 0x{register:02x}"
        return DeviceError(self.name, f"{place}: {problem}: {error}", error.errno)


def swapped(word: int) -> int:
    """The other byte order of a 16-bit word."""
    return (word & 0xFF) << 8 | word >> 8 & 0xFF


def signed(word: int) -> int:
    """A 16-bit word read as two's complement."""
    return word - 0x1_0000 if word & 0x8000 else word
