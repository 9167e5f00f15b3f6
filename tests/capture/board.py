"""A board module for workers in tests: a camera that is there and shows nothing."""

from __future__ import annotations

from collections.abc import Callable

from firmware_bridge.board import CaptureDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import BoardOptions, DeviceError, EncodedFrame, FramePainter, UnitBoard, VideoMode


class DarkCamera:
    def start(self, mode: VideoMode, paint: FramePainter | None, deliver: Callable[[EncodedFrame], None]) -> None: ...

    def stop(self) -> None: ...

    def dropped_frames(self) -> int:
        return 0

    def failure(self) -> DeviceError | None:
        return None


def unit_board(options: BoardOptions) -> UnitBoard:
    raise DeviceError("board", "for workers only", None)


def capture_board(options: BoardOptions, camera_id: str) -> CaptureDevices:
    return CaptureDevices(clock=SystemClock(), camera=DarkCamera(), microphone=None)
