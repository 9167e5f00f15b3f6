"""A board is the set of devices a unit has: plain containers behind ``ports.UnitBoard`` and ``ports.CaptureBoard``."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from firmware_bridge.ports import (
    BoardIdentity,
    Button,
    Camera,
    Clock,
    DeviceError,
    GnssReceiver,
    IgnitionSense,
    LightSensor,
    Medium,
    Microphone,
    Output,
    PowerSupply,
    Speaker,
    ThermalSensor,
    Watchdog,
)

LOG = logging.getLogger(__name__)

D = TypeVar("D")


def attempt(faults: list[DeviceError], build: Callable[[], D]) -> D | None:
    """What ``build`` makes; None, and the error in ``faults``, where the device cannot be had."""
    try:
        return build()
    except DeviceError as error:
        faults.append(error)
        return None


@dataclass(slots=True)
class UnitDevices:
    """``ports.UnitBoard``. ``on_close``: what the board opened besides its devices, closed last, in order."""

    clock: Clock
    identity: BoardIdentity
    buttons: dict[str, Button] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    gnss: GnssReceiver | None = None
    light: LightSensor | None = None
    power: PowerSupply | None = None
    thermal: ThermalSensor | None = None
    speaker: Speaker | None = None
    watchdog: Watchdog | None = None
    ignition: IgnitionSense | None = None
    medium: Medium | None = None
    faults: list[DeviceError] = field(default_factory=list)
    on_close: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        """Close every device; one that fails does not keep the others open."""
        steps: list[Callable[[], None]] = [button.close for button in self.buttons.values()]
        if self.gnss is not None:
            steps.append(self.gnss.stop)
        if self.speaker is not None:
            steps.append(self.speaker.stop)
        if self.ignition is not None:
            steps.append(self.ignition.close)
        if self.watchdog is not None:
            steps.append(self.watchdog.close)
        steps += [output.close for output in self.outputs.values()]
        _close_all([*steps, *self.on_close])


@dataclass(slots=True)
class CaptureDevices:
    """``ports.CaptureBoard``."""

    clock: Clock
    camera: Camera
    microphone: Microphone | None = None
    medium: Medium | None = None
    on_close: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        steps = [self.camera.stop]
        if self.microphone is not None:
            steps.append(self.microphone.close)
        _close_all([*steps, *self.on_close])


def _close_all(steps: list[Callable[[], None]]) -> None:
    for step in steps:
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever a library makes of it: the lamp behind it goes out all the same
            LOG.warning("设备未能正常关闭 a device did not close cleanly: %s: %s", type(error).__name__, error)
