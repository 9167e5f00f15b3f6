"""Each pin as the kernel shows it: free, ours, somebody else's, pressed for ever."""

from __future__ import annotations

import errno
import fcntl
import struct
from pathlib import Path

import pytest

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.checks.pins import pins
from firmware_bridge.raspberry_pi.gpio import PinSpec
from firmware_bridge.raspberry_pi.gpio_lines import (
    GPIO_GET_CHIPINFO,
    GPIO_V2_GET_LINEINFO,
    GpioChip,
    GpioLine,
    chips,
    header_chip,
    parse_chip,
    parse_line,
)
from firmware_bridge.raspberry_pi.options import OptionReader

HEADER = GpioChip(Path("/dev/gpiochip0"), "pinctrl-bcm2711", 58)
EXPANDER = GpioChip(Path("/dev/gpiochip1"), "raspberrypi-exp-gpio", 8)
FREE = GpioLine("GPIO", "", used=False, output=False)


def looked(
    options: dict[str, str], lines: dict[int, GpioLine] | None = None, *, pressed: bool = False
) -> dict[str, Check]:
    asked: list[PinSpec] = []

    def ask(chip: GpioChip, offset: int) -> GpioLine:
        assert chip == HEADER
        if offset > 57:
            raise OSError(errno.EINVAL, "Invalid argument")
        return (lines or {}).get(offset, FREE)

    def active(spec: PinSpec) -> bool:
        asked.append(spec)
        return pressed

    found = {check.device: check for check in pins(OptionReader(options), lambda: [EXPANDER, HEADER], ask, active)}
    assert all(spec.pin not in ("GPIO5", "GPIO6") for spec in asked), "outputs are never claimed"
    return found


def test_the_chip_of_the_header_and_each_pin() -> None:
    found = looked({"button_record": "GPIO17", "led_red": "GPIO5", "led_green": "none"})
    assert {device: check.verdict for device, check in found.items()} == {
        "gpio": "ok",
        "gpio.button_record": "ok",
        "gpio.led_red": "ok",
    }
    assert "/dev/gpiochip0" in found["gpio"].en


def test_a_line_of_the_running_unit_is_well_and_one_of_a_kernel_driver_is_not() -> None:
    lines = {
        5: GpioLine("GPIO5", "lg", used=True, output=True),
        6: GpioLine("GPIO6", "spi0 CS0", used=True, output=True),
    }
    found = looked({"led_red": "GPIO5", "led_green": "GPIO6"}, lines)
    assert found["gpio.led_red"].verdict == "ok"
    assert found["gpio.led_green"].verdict == "fault" and "spi0 CS0" in found["gpio.led_green"].en
    assert found["gpio.led_green"].advice_zh and found["gpio.led_green"].advice_en


def test_a_button_that_is_always_pressed_is_a_warning_and_an_ignition_that_is_on_is_not() -> None:
    found = looked({"button_record": "GPIO17", "ignition": "GPIO25"}, pressed=True)
    assert found["gpio.button_record"].verdict == "warning" and found["gpio.ignition"].verdict == "ok"


def test_a_line_the_chip_does_not_have() -> None:
    assert looked({"led_red": "GPIO99"})["gpio.led_red"].verdict == "fault"


def test_no_chip_no_right_and_no_library() -> None:
    options = OptionReader({"button_record": "GPIO17"})

    def refused() -> list[GpioChip]:
        raise PermissionError(errno.EACCES, "Permission denied", "/dev/gpiochip0")

    def no_library(spec: PinSpec) -> bool:
        raise DeviceError("gpio", "no lgpio")

    (check,) = pins(options, lambda: [EXPANDER], lambda chip, offset: FREE, lambda spec: False)
    assert check.verdict == "fault" and "raspberrypi-exp-gpio" in check.en
    (check,) = pins(options, refused, lambda chip, offset: FREE, lambda spec: False)
    assert check.verdict == "fault" and "gpio" in check.advice_en
    *_, check = pins(options, lambda: [HEADER], lambda chip, offset: FREE, no_library)
    assert check.verdict == "fault" and "lgpio" in check.advice_en


def test_the_chip_may_be_given_by_number() -> None:
    assert header_chip([EXPANDER, HEADER], None) == HEADER
    assert header_chip([EXPANDER, HEADER], 1) == EXPANDER
    assert header_chip([EXPANDER], None) is None


def test_the_kernels_structures() -> None:
    """struct gpiochip_info is 68 bytes, struct gpio_v2_line_info 256 (<linux/gpio.h>); the numbers of the calls say so."""
    assert GPIO_GET_CHIPINFO >> 16 & 0x3FFF == 68 and GPIO_V2_GET_LINEINFO >> 16 & 0x3FFF == 256
    chip = parse_chip(Path("/dev/gpiochip0"), struct.pack("32s32sI", b"gpiochip0", b"pinctrl-rp1", 54))
    assert (chip.label, chip.lines) == ("pinctrl-rp1", 54)
    line = parse_line(struct.pack("32s32sIIQ160s16s", b"GPIO17", b"lg", 17, 0, 0b1001, b"", b""))
    assert line == GpioLine("GPIO17", "lg", used=True, output=True)


def test_what_is_no_chip_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").write_bytes(b"")
    with pytest.raises(OSError), (tmp_path / "gpiochip0").open("rb") as file:
        fcntl.ioctl(file, GPIO_GET_CHIPINFO, bytes(68))
    assert chips(tmp_path) == []
