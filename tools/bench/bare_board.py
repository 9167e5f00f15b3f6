"""A board with a clock and nothing else: what a start of the unit costs without any device, real or simulated.

Its camera starts and delivers nothing, so that the worker's own start takes place as on a unit.
"""

from __future__ import annotations

from firmware_bridge.board import CaptureDevices, UnitDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import BoardIdentity, BoardOptions, DeviceError, FramePainter, VideoMode


class SilentCamera:
    """``ports.Camera`` that never delivers."""

    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: object) -> None:
        """Nothing will come."""

    def stop(self) -> None:
        """Nothing came."""

    def dropped_frames(self) -> int:
        return 0

    def failure(self) -> DeviceError | None:
        return None


def unit_board(_options: BoardOptions) -> UnitDevices:
    return UnitDevices(clock=SystemClock(), identity=BoardIdentity("urn:bench", "bench", "1"))


def capture_board(_options: BoardOptions, _camera_id: str) -> CaptureDevices:
    return CaptureDevices(clock=SystemClock(), camera=SilentCamera())
