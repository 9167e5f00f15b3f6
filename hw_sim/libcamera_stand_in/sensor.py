"""The sensor behind a stand-in camera: where its frames come from, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol, TypeAlias, cast

from firmware_bridge.ports import Clock, Plane, SensorInfo
from hw_sim.devices.sensor_view import SensorView
from hw_sim.libcamera_stand_in.configuration import PIXEL_FORMATS
from hw_sim.world_keys import Value

Condition: TypeAlias = Literal["ok", "stuck", "off", "error", "hung"]
"""``stuck``: no frames, and nobody says so. ``off``: unplugged, libcamera lists it no more. ``error``: the kernel refuses
its buffers. ``hung``: the driver never comes back from a call."""


class Sensor(Protocol):
    """All but ``condition`` and ``now_us`` are called on the camera's own thread, between ``open`` and ``close``."""

    @property
    def name(self) -> str:
        """libcamera's id of the camera: a path of the device tree, or of USB."""

    @property
    def model(self) -> str: ...

    @property
    def pixel_formats(self) -> Sequence[str]:
        """Of ``configuration.PIXEL_FORMATS``; the first is the camera's own choice."""

    def condition(self) -> Condition: ...

    def now_us(self) -> int:
        """Boot-time, the clock of the time stamps."""

    def open(self, width: int, height: int) -> None: ...

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        """Expose frame ``n`` at boot-time ``at_us`` into ``y`` (height x width), ``u`` and ``v`` (half of it)."""

    def close(self) -> None: ...


class WorldSensor:
    """``Sensor`` of the simulated world; ``alive`` says whether there still is one."""

    name: Final = "/base/soc/i2c0mux/i2c@1/imx708@1a"
    model: Final = "imx708"
    pixel_formats: Final = PIXEL_FORMATS

    def __init__(self, clock: Clock, lookup: Callable[[str], Value], alive: Callable[[], bool]) -> None:
        self._clock = clock
        self._lookup = lookup
        self._alive = alive
        self._view: SensorView | None = None
        self._hung = False

    def condition(self) -> Condition:
        """A driver that hangs hangs for ever, whatever becomes of the world."""
        self._hung = self._hung or self._lookup("worker.failure") == "stuck"
        if self._hung:
            return "hung"
        if not self._alive():
            return "off"
        return cast(Condition, self._lookup("camera.failure"))

    def now_us(self) -> int:
        return self._clock.boottime_us()

    def open(self, width: int, height: int) -> None:
        self._view = SensorView(width, height, self.now_us(), self._lookup)

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        assert self._view is not None
        return self._view.draw(y, u, v, n, at_us)

    def close(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None
