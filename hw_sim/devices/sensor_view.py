"""What a simulated sensor sees: one frame of the world, drawn into planes that somebody else owns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from firmware_bridge.ports import Plane, SensorInfo
from hw_sim.devices.camera_file import VideoFile
from hw_sim.devices.counter import stamp
from hw_sim.devices.scene import Scene, blur
from hw_sim.world_keys import Value

_FULL_EXPOSURE_US: Final = 33_000
_MAX_GAIN: Final = 16.0


class Painter(Protocol):
    def draw(self, y: Plane, u: Plane, v: Plane, at_us: int, *, lux: float, covered: bool) -> None: ...


def sensor_info(lux: float, covered: bool) -> SensorInfo:
    """Auto-exposure of the simulated sensor: longer first, then gain, as the light goes."""
    seen = 0.02 if covered else max(lux, 0.001)
    wanted_us = 2_000_000 / seen
    exposure_us = min(_FULL_EXPOSURE_US, max(100, wanted_us))
    gain = min(_MAX_GAIN, max(1.0, wanted_us / exposure_us))
    return SensorInfo(exposure_us=round(exposure_us), analogue_gain=round(gain, 3), lux=seen)


class SensorView:
    """Frames of one size, from the scene or from the world's video file; ``lookup`` reads the world at each frame.

    ``opened_us``: boot-time at which a video file begins. Raises DeviceError when that file cannot be read.
    """

    def __init__(self, width: int, height: int, opened_us: int, lookup: Callable[[str], Value]) -> None:
        self._lookup = lookup
        self._begin_us = 0
        self._file: VideoFile | None = None
        self._painter: Painter
        path = str(lookup("camera.file"))
        if path:
            self._painter = self._file = VideoFile(path, width, height, str(lookup("camera.at_end")))
            self._begin_us = opened_us
        else:
            self._painter = Scene(width, height, int(lookup("seed")))

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        """Paint frame ``n``, exposed at boot-time ``at_us``: ``y`` is height x width, ``u`` and ``v`` half of it."""
        lux, look = float(self._lookup("lux")), self._lookup("camera.mode")
        covered = look == "covered"
        self._painter.draw(y, u, v, at_us - self._begin_us, lux=lux, covered=covered)
        if look == "blurred":
            blur(y)
        code = str(self._lookup("camera.qr"))
        if code:
            # Only here: a worker without a card must be as small as a real one.
            from hw_sim.devices.code_card import hold_up

            hold_up(y, code)
        if self._lookup("camera.counter"):
            stamp(y, n, at_us)
        return sensor_info(lux, covered)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
