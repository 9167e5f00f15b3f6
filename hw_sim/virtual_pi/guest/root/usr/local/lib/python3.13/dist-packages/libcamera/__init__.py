"""Stands before Debian's libcamera module and makes its *virtual* pipeline handler enough of a camera for picamera2 0.3.38.

The library below is the real one (libcamera 0.7.1). Put right, and only here in the guest, is what the virtual handler does
otherwise than a Pi's:

* it refuses the role Raw, which picamera2 always asks for at open;
* it writes NV12 as two planes where picamera2's allocator makes one (the C++ side aborts);
* it does not pace itself: requests are handed on one a frame time, as a sensor would complete them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

__path__ = ["/usr/lib/python3/dist-packages/libcamera"]

from libcamera._libcamera import *
from libcamera import _libcamera

_Camera = _libcamera.Camera
_RealFrameBuffer = _libcamera.FrameBuffer
_real_generate = _Camera.generate_configuration
_real_start = _Camera.start
_real_stop = _Camera.stop
_real_queue = _Camera.queue_request
DEFAULT_FRAME_US = 33_333


def _generate(camera: Any, roles: list[Any]) -> Any:
    raw, video = _libcamera.StreamRole.Raw, _libcamera.StreamRole.VideoRecording
    return _real_generate(camera, [video if role == raw else role for role in roles])


class _TwoPlanes:
    """``libcamera.FrameBuffer``: luma and chroma of one NV12 buffer as two planes of the same memory."""

    Plane = _RealFrameBuffer.Plane

    def __new__(cls, planes: list[Any]) -> Any:
        if len(planes) != 1:
            return _RealFrameBuffer(planes)
        luma = planes[0]  # the object itself: picamera2 finds the buffer again by it
        whole = luma.length
        chroma = cls.Plane()
        chroma.fd, chroma.offset, chroma.length = luma.fd, whole * 2 // 3, whole // 3
        luma.length = whole * 2 // 3
        return _RealFrameBuffer([luma, chroma])


class _Pacer(threading.Thread):
    """Hands on one waiting request each frame time."""

    def __init__(self, camera: Any, frame_us: int) -> None:
        super().__init__(daemon=True)
        self._camera = camera
        self._frame_s = frame_us / 1e6
        self._waiting: deque[Any] = deque()
        self._ended = threading.Event()

    def add(self, request: Any) -> None:
        self._waiting.append(request)

    def run(self) -> None:
        due = time.monotonic() + self._frame_s
        while not self._ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._frame_s, time.monotonic())
            if self._waiting:
                _real_queue(self._camera, self._waiting.popleft())

    def end(self) -> None:
        self._ended.set()
        self.join()
        self._waiting.clear()


_pacers: dict[str, _Pacer] = {}


def _start(camera: Any, controls: dict[Any, Any] | None = None) -> Any:
    frame_us = DEFAULT_FRAME_US
    for control, value in (controls or {}).items():
        if control.name == "FrameDurationLimits":
            frame_us = int(value[0])
    result = _real_start(camera, controls) if controls is not None else _real_start(camera)
    _pacers[camera.id] = pacer = _Pacer(camera, frame_us)
    pacer.start()
    return result


def _queue(camera: Any, request: Any) -> Any:
    pacer = _pacers.get(camera.id)
    return _real_queue(camera, request) if pacer is None else pacer.add(request)


def _stop(camera: Any) -> Any:
    pacer = _pacers.pop(camera.id, None)
    if pacer is not None:
        pacer.end()
    return _real_stop(camera)


_Camera.generate_configuration = _generate
_Camera.start = _start
_Camera.stop = _stop
_Camera.queue_request = _queue
FrameBuffer = _TwoPlanes
