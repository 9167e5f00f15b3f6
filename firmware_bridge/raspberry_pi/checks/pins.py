"""GPIO: the chip, and each pin of the board. A pin in use is told with who has it: beside a running unit, the unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from firmware_bridge.ports import Check, DeviceError
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, refused, warning
from firmware_bridge.raspberry_pi.gpio import PinSpec
from firmware_bridge.raspberry_pi.gpio_lines import GpioChip, GpioLine, header_chip
from firmware_bridge.raspberry_pi.options import BUTTONS, OUTPUTS, OptionReader

ListChips = Callable[[], list[GpioChip]]
AskLine = Callable[[GpioChip, int], GpioLine]
ReadLevel = Callable[[PinSpec], bool]
"""Is the free input active? Raises DeviceError where the pin library refuses."""

INPUTS = (*(f"button_{name}" for name in BUTTONS), "ignition", "power_good")


def pins(reader: OptionReader, chips: ListChips, ask: AskLine, active: ReadLevel) -> Iterator[Check]:
    names = reader.given((*INPUTS, *OUTPUTS))
    if not names:
        yield warning(
            "gpio",
            "板卡没有按键和指示灯",
            "the board has neither buttons nor lights",
            "在 [board] file 指定板卡文件；否则只能用 recorder ctl 或 MQTT 开始记录",
            "name a board file in [board] file; else recordings are started by recorder ctl or MQTT only",
        )
        return
    try:
        found = chips()
    except OSError as error:
        yield refused("gpio", error, "把用户加入 gpio 组", "the user must be in group gpio")
        return
    number = reader.integer("gpio_chip", -1, 0, 255)
    chip = header_chip(found, None if number < 0 else number)
    if chip is None:
        there = ", ".join(f"{each.path} ({each.label})" for each in found) or "—"
        yield fault(
            "gpio",
            f"没有 GPIO 芯片（现有 {there}）",
            f"no GPIO chip of the header (there are: {there})",
            "应在树莓派上运行；其他板卡请设 [board.gpio] chip",
            "run it on a Raspberry Pi; for another board set [board.gpio] chip",
        )
        return
    yield ok("gpio", f"{chip.path}（{chip.label}，{chip.lines} 线）", f"{chip.path} ({chip.label}, {chip.lines} lines)")
    for name in names:
        spec = reader.pin(name, default_high=not name.startswith("button_"))
        if spec is not None:
            yield _pin(name, spec, chip, ask, active)


def _pin(name: str, spec: PinSpec, chip: GpioChip, ask: AskLine, active: ReadLevel) -> Check:
    device = f"gpio.{name}"
    digits = spec.pin.removeprefix("GPIO")
    if not digits.isdecimal():
        return warning(
            device,
            f"{spec.pin}: 无法核对",
            f"{spec.pin}: cannot be looked up",
            "请用 BCM 编号 GPIOn",
            "write it as GPIOn (BCM numbering)",
        )
    try:
        line = ask(chip, int(digits))
    except OSError as error:
        return refused(
            device, error, f"{chip.path} 没有这条线，请核对引脚", f"{chip.path} lacks this line: check the pin"
        )
    if line.used:
        consumer = line.consumer or "?"
        ours = consumer in ("lg", "gpiozero", "recorder")
        if ours:
            return ok(
                device,
                f"{spec.pin} 正由 {consumer} 使用（记录单元？）",
                f"{spec.pin} is in use by {consumer} (the unit?)",
            )
        return fault(
            device,
            f"{spec.pin} 已被占用：{consumer}",
            f"{spec.pin} is taken by {consumer}",
            "关闭占用它的内核驱动或程序（config.txt 的 dtoverlay），或换一个引脚",
            "switch off the driver or program that has it (dtoverlay in config.txt), or use another pin",
        )
    if name not in INPUTS:
        return ok(device, f"{spec.pin} 可用", f"{spec.pin} is free")
    try:
        pressed = active(spec)
    except DeviceError as error:
        return refused(device, error, "安装 python3-lgpio", "install python3-lgpio")
    if pressed and name.startswith("button_"):
        return warning(
            device,
            f"{spec.pin} 显示按下",
            f"{spec.pin} reads pressed",
            "松开按键；若仍如此，核对接线和有效电平（:low、:high）",
            "let the button go; if it stays so, check the wiring and the active level (:low, :high)",
        )
    state_zh, state_en = ("有效", "active") if pressed else ("无效", "not active")
    return ok(device, f"{spec.pin} 可用，{state_zh}", f"{spec.pin} is free and {state_en}")
