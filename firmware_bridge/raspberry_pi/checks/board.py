"""All checks of the board as a technician would take them: picture, sound, hands, position, power, clock, watchdog, and the
system below it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import chain
from typing import Any

from firmware_bridge.ports import BoardOptions, Check, Clock, DeviceCheck, DeviceError, ThrottleReason
from firmware_bridge.raspberry_pi import gpio_lines
from firmware_bridge.raspberry_pi.camera import attached_cameras
from firmware_bridge.raspberry_pi.checks import cameras, chips, kernel, pins, position, sound, system
from firmware_bridge.raspberry_pi.checks.verdicts import fault
from firmware_bridge.raspberry_pi.clock_sources import clock_of
from firmware_bridge.raspberry_pi.gpio import CANNOT_RELEASE, GpioInput, PinSpec, pin_errors
from firmware_bridge.raspberry_pi.i2c import open_bus
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.pin_factory import pin_factory
from firmware_bridge.raspberry_pi.portaudio import PortAudio, SoundDevice, device_error
from firmware_bridge.raspberry_pi.throttling import throttle_source

ANSWER_S = 2.5
"""How long the firmware's first answer is waited for."""


def diagnose(options: BoardOptions, ids: Sequence[str]) -> list[DeviceCheck]:
    """``ids``: cameras of the configuration."""
    reader = OptionReader(options)
    clock = clock_of(reader)
    told: set[str] = set()
    files = system.SystemFiles()

    def with_options(look: Callable[[], Iterator[Check]]) -> Callable[[], Iterator[Check]]:
        return lambda: chain(look(), wrong_options(reader, told))

    looks: tuple[DeviceCheck, ...] = (
        ("camera", lambda: cameras.cameras(reader, ids, attached_cameras)),
        ("microphone", lambda: sound.sound(reader, ids, sound_devices)),
        ("gpio", lambda: pins.pins(reader, gpio_lines.chips, gpio_lines.line, lambda spec: level(reader, spec))),
        ("gnss", lambda: position.position(reader, clock)),
        ("battery", lambda: chips.chips(reader, open_bus)),
        ("power", lambda: kernel.supply(reader)),
        ("light", lambda: kernel.light(reader)),
        ("thermal", lambda: kernel.thermal(reader, throttled(reader, clock))),
        ("rtc", lambda: kernel.rtc(reader, clock)),
        ("clock", lambda: chain(kernel.time(clock), system.timekeeper(reader, files))),
        ("watchdog", lambda: kernel.watchdog(reader)),
        ("memory", lambda: system.memory(files)),
        ("encryption", lambda: system.encryption(files)),
    )
    return [(device, with_options(look)) for device, look in looks]


def wrong_options(reader: OptionReader, told: set[str]) -> Iterator[Check]:
    """What was found wrong with the options so far and is not in ``told``: after each device, for a later one may hang."""
    for wrong in map(str, reader.faults):
        if wrong not in told:
            told.add(wrong)
            yield fault(
                "options", wrong, wrong, "更正 [board.options] 或板卡文件", "correct [board.options] or the board file"
            )


def sound_devices() -> list[SoundDevice]:
    """Raises DeviceError."""
    try:
        library = PortAudio()
    except (ImportError, OSError) as error:
        raise device_error("sound", error) from error
    try:
        return library.devices()
    finally:
        library.close()


def level(reader: OptionReader, spec: PinSpec, pins_of: Callable[[OptionReader], Any] = pin_factory) -> bool:
    """Claims a free input for a moment, with the pull the driver gives it. Raises DeviceError."""
    factory = pins_of(reader)
    with pin_errors("gpio", f"{spec.pin}: {CANNOT_RELEASE}"), closing(factory):
        line = GpioInput("gpio", spec, factory)
        active = line.is_active()
        line.close()
    if active is None:
        raise DeviceError("gpio", f"{spec.pin}: 无法读取 cannot be read")
    return active


def throttled(reader: OptionReader, clock: Clock) -> frozenset[ThrottleReason] | None:
    source = throttle_source(reader.text("thermal_throttle_file"), clock)
    if source is None:
        return None
    waiting = threading.Event()
    waited_s, reasons = 0.0, source.throttled()
    while reasons is None and source.failure() is None and waited_s < ANSWER_S:
        waiting.wait(0.1)
        waited_s += 0.1
        reasons = source.throttled()
    source.close()
    return reasons
