"""Buffers and requests: what is queued to the camera and comes back filled."""

from __future__ import annotations

import enum
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from hw_sim.libcamera_stand_in.configuration import Stream
from hw_sim.libcamera_stand_in.control_ids import ControlId


class FrameMetadata:
    class Status(enum.Enum):
        Success = 0
        Error = 1
        Cancelled = 2
        Startup = 3

    def __init__(self) -> None:
        self.status = self.Status.Success
        self.sequence = 0
        self.timestamp = 0


class FrameBuffer:
    """Memory the application allocated (one plane for the whole picture, as picamera2 does), mapped here as well."""

    class Plane:
        def __init__(self) -> None:
            self.fd = -1
            self.offset = 0
            self.length = 0

    def __init__(self, planes: list[Plane]) -> None:
        self.planes = planes
        self.metadata = FrameMetadata()
        plane = planes[0]
        self._memory = mmap.mmap(plane.fd, plane.length, mmap.MAP_SHARED)
        self.pixels: npt.NDArray[np.uint8] = np.frombuffer(self._memory, np.uint8)


class Request:
    class Status(enum.Enum):
        Pending = 0
        Complete = 1
        Cancelled = 2

    def __init__(self, cookie: int) -> None:
        self.cookie = cookie
        self.status = self.Status.Pending
        self.buffers: dict[Stream, FrameBuffer] = {}
        self.metadata: dict[ControlId, Any] = {}

    def add_buffer(self, stream: Stream, buffer: FrameBuffer) -> None:
        self.buffers[stream] = buffer

    def set_control(self, control: ControlId, value: Any) -> None:
        """Accepted, and without effect on a scene that exposes by itself."""

    def reuse(self) -> None:
        self.status = self.Status.Pending
        self.metadata = {}
