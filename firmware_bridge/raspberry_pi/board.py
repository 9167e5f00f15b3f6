"""The Raspberry Pi board: devices put together from flat options (all strings; every one may be left out).

The recorder makes them from the board file (``config/boards``) and ``[board.options]``; which there are: ``options.py``.
A device that cannot be had is a fault in ``faults``, and the board is what is left: recording without a lamp is better than
none. A camera is opened by the worker when it starts, again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from firmware_bridge.board import CaptureDevices, UnitDevices, attempt
from firmware_bridge.ports import (
    BoardIdentity,
    BoardOptions,
    CaptureBoard,
    Clock,
    DeviceCheck,
    DeviceError,
    Microphone,
    UnitBoard,
)
from firmware_bridge.raspberry_pi.camera_settings import Machine, camera_settings
from firmware_bridge.raspberry_pi.clock_sources import clock_of
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from firmware_bridge.raspberry_pi.gpio import GpioButton, GpioOutput
from firmware_bridge.raspberry_pi.i2c import open_bus
from firmware_bridge.raspberry_pi.ignition import GpioIgnition
from firmware_bridge.raspberry_pi.options import BUTTONS, OUTPUTS, OptionReader
from firmware_bridge.raspberry_pi.pin_factory import pin_factory
from firmware_bridge.raspberry_pi.power_sources import OpenBus, add_power
from firmware_bridge.raspberry_pi.speaker import PyAudioSpeaker
from firmware_bridge.raspberry_pi.sysfs import IioLightSensor, PolledLight, ThermalZone
from firmware_bridge.raspberry_pi.throttling import throttle_source
from firmware_bridge.raspberry_pi.watchdog import LinuxWatchdog

LOG = logging.getLogger(__name__)

_DEVICE_TREE: Final = Path("/proc/device-tree")


def unit_board(options: BoardOptions) -> UnitBoard:
    """Raises nothing for a device: what is missing is in the board's ``faults``."""
    reader = OptionReader(options)
    factory: Any = None
    faults: list[DeviceError] = []
    if reader.given((*(f"button_{name}" for name in BUTTONS), *OUTPUTS, "ignition", "power_good")):
        factory = attempt(faults, lambda: pin_factory(reader))
    board = _composed(reader, factory, clock_of(reader), _identity(reader), open_bus)
    board.faults = [*faults, *board.faults]
    if factory is not None:
        board.on_close = (*board.on_close, factory.close)
    return board


def compose(
    options: BoardOptions,
    factory: Any,
    clock: Clock,
    identity: BoardIdentity,
    bus: OpenBus = open_bus,
    machine: Machine | None = None,
) -> UnitDevices:
    """The unit's devices on any gpiozero pin factory (None: no pins) and clock. ``bus`` opens an I²C adapter."""
    return _composed(OptionReader(options), factory, clock, identity, bus, machine)


def _composed(
    reader: OptionReader,
    factory: Any,
    clock: Clock,
    identity: BoardIdentity,
    bus: OpenBus,
    machine: Machine | None = None,
) -> UnitDevices:
    board = UnitDevices(clock, identity)
    if factory is not None:
        _add_pins(board, reader, factory)
    if device := reader.text("gnss_device"):
        board.gnss = SerialGnss(
            device,
            clock,
            baud=reader.integer("gnss_baud", 9600, 1200, 921_600),
            max_speed_mps=reader.number("gnss_max_speed_mps", 100, 1, 1000),
        )
    if device := reader.text("speaker_device"):
        # A device that is not there is a fault when something is to be said, and no reason not to record.
        board.speaker = speaker = PyAudioSpeaker(device, clock)
        board.on_close = (*board.on_close, speaker.close)
    if folder := reader.text("thermal_zone"):
        throttle = throttle_source(reader.text("thermal_throttle_file"), clock)
        board.thermal = ThermalZone(Path(folder), throttle)
        board.on_close = (*board.on_close, *(() if throttle is None else (throttle.close,)))
    if folder := reader.text("light_sensor"):
        board.light = light = PolledLight(IioLightSensor(Path(folder)), clock)
        board.on_close = (*board.on_close, light.close)
    if device := reader.text("watchdog_device"):
        board.watchdog = LinuxWatchdog(Path(device), reader.integer("watchdog_timeout_s", 15, 1, 3600))
    add_power(board, reader, factory, bus)
    for camera_id in reader.cameras():
        # A worker has no journal: what is wrong with its camera is said here.
        board.faults += camera_settings(reader, camera_id, machine).lacking.values()
    board.faults += reader.faults
    return board


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    """Opens nothing yet: camera and microphone say what they lack when the worker starts them."""
    return compose_capture(options, camera_id, clock_of(OptionReader(options)))


def compose_capture(options: BoardOptions, camera_id: str, clock: Clock) -> CaptureDevices:
    """A worker's devices on any clock."""
    # Imported here: the unit process loads this module too and has no use for picture and sound.
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera

    reader = OptionReader(options)
    settings = camera_settings(reader, camera_id)
    for fault in (*reader.faults, *settings.lacking.values()):
        LOG.warning("%s", fault)  # the unit process records it
    camera = Picamera2Camera(
        settings.sensor if settings.index is None else settings.index,
        settings.encoder,
        clock,
        rotation=settings.rotation,
        threads=settings.threads,
        tuning_file=settings.tuning,
        controls=settings.controls,
    )
    return CaptureDevices(clock, camera, _microphone(reader, settings.microphone, clock))


def diagnose(options: BoardOptions, cameras: Sequence[str]) -> Sequence[DeviceCheck]:
    """``ports.DiagnosableBoard``: every device of the board."""
    # Imported here: no recording needs it.
    from firmware_bridge.raspberry_pi.checks.board import diagnose as checks

    return checks(options, cameras)


def _microphone(reader: OptionReader, device: str | None, clock: Clock) -> Microphone | None:
    if device is None:
        return None
    from firmware_bridge.raspberry_pi.microphone import PyAudioMicrophone

    latency_us = round(reader.number("microphone_latency_ms", 0, -500, 500) * 1000)
    return PyAudioMicrophone(device, clock, latency_us=latency_us)


def _add_pins(board: UnitDevices, reader: OptionReader, factory: Any) -> None:
    debounce_us = round(reader.number("debounce_ms", 20, 0, 500) * 1000)
    for name in BUTTONS:
        if (spec := reader.pin(f"button_{name}", default_high=False)) is not None:
            button = attempt(board.faults, partial(GpioButton, name, spec, factory, board.clock, debounce_us))
            if button is not None:
                board.buttons[name] = button
    for name in OUTPUTS:
        if (spec := reader.pin(name, default_high=True)) is not None:
            output = attempt(board.faults, partial(GpioOutput, name, spec, factory))
            if output is not None:
                board.outputs[name] = output
    if (spec := reader.pin("ignition", default_high=True)) is not None:
        board.ignition = attempt(board.faults, partial(GpioIgnition, spec, factory, board.clock))


def _identity(reader: OptionReader) -> BoardIdentity:
    return BoardIdentity(
        ueid=reader.text("ueid") or _device_tree("serial-number") or "unknown",
        hwmodel=reader.text("hwmodel") or _device_tree("model") or "Raspberry Pi",
        hwversion=reader.text("hwversion") or "unknown",
    )


def _device_tree(name: str) -> str | None:
    try:
        return (_DEVICE_TREE / name).read_text(encoding="utf-8").strip("\0\n ")
    except (OSError, UnicodeDecodeError):
        return None
