"""The board of the virtual Pi: the drivers of the Raspberry Pi on the guest's kernel devices; the camera with libx264, for a
virtual camera has no hardware encoder."""

from __future__ import annotations

from firmware_bridge.board import CaptureDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import BoardOptions, CaptureBoard, UnitBoard
from firmware_bridge.raspberry_pi import board


def unit_board(options: BoardOptions) -> UnitBoard:
    return board.unit_board(options)


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera

    clock = SystemClock()
    return CaptureDevices(clock=clock, camera=Picamera2Camera(0, "libx264", clock), microphone=None)
