"""The Raspberry Pi board: devices put together from ``[board.options]`` (all strings; every key may be left out).

=====================  ======================================================================================
button_record/mark     pin, ``GPIO17`` (pressed pulls it low) or ``GPIO17:high``
led_red, led_green,    pin, ``GPIO5`` (high is on) or ``GPIO5:low``; likewise led_yellow, vibration, ir_lamp, ir_cut
debounce_ms            hold-off of the buttons after each edge; 20
gnss_device, gnss_baud tty of the receiver (no receiver without it); 9600
gnss_max_speed_mps     faster jumps are not believed; 100
speaker_device         PortAudio's name of the sound device or a part of it, ``USB Audio`` (no sound without it)
thermal_zone, power_supply, light_sensor   folders in /sys; see ``sysfs.py``
throttle_file          the firmware's ``get_throttled`` in /sys
hwmodel, hwversion, ueid  of the unit; read from the device tree where absent
=====================  ======================================================================================
"""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any, Final

from gpiozero import BadPinFactory

from firmware_bridge.board import UnitDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import (
    BoardIdentity,
    BoardOptions,
    Button,
    CaptureBoard,
    Clock,
    DeviceError,
    Output,
    UnitBoard,
)
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from firmware_bridge.raspberry_pi.gpio import GpioButton, GpioOutput, PinSpec
from firmware_bridge.raspberry_pi.speaker import PyAudioSpeaker
from firmware_bridge.raspberry_pi.sysfs import IioLightSensor, SysfsPowerSupply, ThermalZone
from firmware_bridge.raspberry_pi.throttling import FileThrottle

BUTTONS: Final = ("record", "mark")
OUTPUTS: Final = ("led_red", "led_green", "led_yellow", "vibration", "ir_lamp", "ir_cut")
OPTIONS: Final = frozenset(
    {
        *(f"button_{name}" for name in BUTTONS),
        *OUTPUTS,
        "debounce_ms",
        "gnss_device",
        "gnss_baud",
        "gnss_max_speed_mps",
        "speaker_device",
        "thermal_zone",
        "throttle_file",
        "power_supply",
        "light_sensor",
        "ueid",
        "hwmodel",
        "hwversion",
    }
)
_DEVICE_TREE = Path("/proc/device-tree")


def unit_board(options: BoardOptions) -> UnitBoard:
    """Raises DeviceError naming the option that is wrong or the device that is not there."""
    factory: Any = None
    if any(f"button_{name}" in options for name in BUTTONS) or any(name in options for name in OUTPUTS):
        factory = _pin_factory()
    board = compose(options, factory, SystemClock(), _identity(options))
    if factory is not None:
        board.on_close = (*board.on_close, factory.close)
    return board


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    """This version has no camera driver for the Pi (picamera2): always raises DeviceError."""
    raise DeviceError(
        f"camera {camera_id}",
        "本版本不含树莓派摄像头驱动（picamera2）；请用仿真板 hw_sim.board. "
        "This version has no Raspberry Pi camera driver (picamera2); use the simulated board hw_sim.board",
    )


def compose(options: BoardOptions, factory: Any, clock: Clock, identity: BoardIdentity) -> UnitDevices:
    """The unit's devices on any gpiozero pin factory and clock. Raises DeviceError; closes what it had opened."""
    unknown = sorted(set(options) - OPTIONS)
    if unknown:
        raise DeviceError(
            "board.options",
            f"不认识的选项 unknown option: {', '.join(unknown)}. 可用 known: {', '.join(sorted(OPTIONS))}",
        )
    board = UnitDevices(clock, identity)
    try:
        _add_gpio(board.buttons, board.outputs, options, factory, clock)
        if device := options.get("gnss_device"):
            board.gnss = SerialGnss(
                device,
                clock,
                baud=int(number(options, "gnss_baud", 9600, 1200, 921_600)),
                max_speed_mps=number(options, "gnss_max_speed_mps", 100, 1, 1000),
            )
    except DeviceError:
        board.close()
        raise
    if device := options.get("speaker_device"):
        # A device that is not there is a fault when something is to be said, and no reason not to record.
        board.speaker = speaker = PyAudioSpeaker(device, clock)
        board.on_close = (speaker.close,)
    if folder := options.get("thermal_zone"):
        throttle = options.get("throttle_file")
        board.thermal = ThermalZone(Path(folder), FileThrottle(Path(throttle)).throttled if throttle else None)
    if folder := options.get("power_supply"):
        board.power = SysfsPowerSupply(Path(folder))
    if folder := options.get("light_sensor"):
        board.light = IioLightSensor(Path(folder))
    return board


def _add_gpio(
    buttons: dict[str, Button], outputs: dict[str, Output], options: BoardOptions, factory: Any, clock: Clock
) -> None:
    debounce_us = round(number(options, "debounce_ms", 20, 0, 500) * 1000)
    for name in BUTTONS:
        option = f"button_{name}"
        if option in options:
            spec = PinSpec.parse(option, options[option], default_high=False)
            buttons[name] = GpioButton(name, spec, factory, clock, debounce_us)
    for name in OUTPUTS:
        if name in options:
            spec = PinSpec.parse(name, options[name], default_high=True)
            outputs[name] = GpioOutput(name, spec, factory)


def number(options: BoardOptions, name: str, default: float, low: float, high: float) -> float:
    """A number out of the options. Raises DeviceError naming the option, its text and the range."""
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise DeviceError(f"board.options.{name}", f"{text!r}: 应为数值 must be a number, {low:g} … {high:g}")
    return value


def _pin_factory() -> Any:
    """gpiozero's lgpio factory. Raises DeviceError where the board or the lgpio library is missing."""
    try:
        # Imported here: the library is there on a unit only.
        lgpio: Any = importlib.import_module("gpiozero.pins.lgpio")
        return lgpio.LGPIOFactory()
    except (ImportError, OSError, BadPinFactory) as error:
        raise DeviceError("gpio", f"无法使用引脚 no GPIO on this machine (lgpio): {error}") from error


def _identity(options: BoardOptions) -> BoardIdentity:
    return BoardIdentity(
        ueid=options.get("ueid") or _device_tree("serial-number") or "unknown",
        hwmodel=options.get("hwmodel") or _device_tree("model") or "Raspberry Pi",
        hwversion=options.get("hwversion") or "unknown",
    )


def _device_tree(name: str) -> str | None:
    try:
        return (_DEVICE_TREE / name).read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return None
