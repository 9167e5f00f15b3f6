"""What the kernel says about GPIO chips and lines, asked without claiming any (<linux/gpio.h>, character device v2)."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

GPIO_GET_CHIPINFO: Final = 0x8044B401
"""_IOR(0xB4, 0x01, struct gpiochip_info)"""
GPIO_V2_GET_LINEINFO: Final = 0xC100B405
"""_IOWR(0xB4, 0x05, struct gpio_v2_line_info)"""

_CHIP: Final = struct.Struct("32s32sI")
_LINE: Final = struct.Struct("32s32sIIQ160s16s")
_USED: Final = 1 << 0
_OUTPUT: Final = 1 << 3

HEADER_CHIPS: Final = ("pinctrl-bcm", "pinctrl-rp1")
"""Labels (their beginning) of the chip behind the 40-pin header: all Pis up to the 4, and the Pi 5."""


@dataclass(frozen=True, slots=True)
class GpioChip:
    path: Path
    label: str
    lines: int


@dataclass(frozen=True, slots=True)
class GpioLine:
    """``consumer``: who has it; empty while nobody has, or the kernel does not say."""

    name: str
    consumer: str
    used: bool
    output: bool


def chips(dev: Path = Path("/dev")) -> list[GpioChip]:
    """Those that may be opened. Raises PermissionError when there are some and none may."""
    found, refused = [], None
    for path in sorted(dev.glob("gpiochip*")):
        try:
            answer = _ask(path, GPIO_GET_CHIPINFO, bytes(_CHIP.size))
        except PermissionError as error:
            refused = error
            continue
        except OSError:
            continue  # no GPIO chip whatever its name
        found.append(parse_chip(path, answer))
    if not found and refused is not None:
        raise refused
    return found


def header_chip(found: list[GpioChip], number: int | None) -> GpioChip | None:
    """The chip with that number, else the one behind the header."""
    for chip in found:
        if chip.path.name == f"gpiochip{number}" or (number is None and chip.label.startswith(HEADER_CHIPS)):
            return chip
    return None


def line(chip: GpioChip, offset: int) -> GpioLine:
    """Raises OSError, EINVAL for a line the chip does not have."""
    request = _LINE.pack(b"", b"", offset, 0, 0, b"", b"")
    return parse_line(_ask(chip.path, GPIO_V2_GET_LINEINFO, request))


def parse_chip(path: Path, answer: bytes) -> GpioChip:
    _, label, lines = _CHIP.unpack(answer)
    return GpioChip(path, _text(label), lines)


def parse_line(answer: bytes) -> GpioLine:
    name, consumer, _, _, flags, _, _ = _LINE.unpack(answer)
    return GpioLine(_text(name), _text(consumer), bool(flags & _USED), bool(flags & _OUTPUT))


def _ask(path: Path, request: int, argument: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return fcntl.ioctl(descriptor, request, argument)
    finally:
        os.close(descriptor)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")
