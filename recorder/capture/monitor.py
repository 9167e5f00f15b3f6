"""Watches camera and buffer and turns changes into fault reports: onset once, end once. Pure but for what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from firmware_bridge.ports import Camera, DeviceError
from recorder.capture.packet_log import LogState

_OVER_US: Final = 2_000_000
"""A fault that shows as a growing count is over when it has not grown for so long."""

STALL_US: Final = 1_000_000
"""Without a frame for so long the picture has a hole no file shows: the unit process kills a worker only after twice that,
and a shorter stall would leave no trace but a long frame."""

FaultSink = Callable[[str, Literal["onset", "end"], dict[str, Any]], None]


class _Count:
    """A fault for as long as a count grows."""

    def __init__(self, code: str, fault: FaultSink) -> None:
        self._code = code
        self._fault = fault
        self._seen = 0
        self._at_onset: int | None = None
        self._last_us = 0

    def look(self, now_us: int, count: int, evidence: dict[str, Any]) -> None:
        if count > self._seen:
            self._last_us = now_us
            if self._at_onset is None:
                self._at_onset = self._seen
                self._fault(self._code, "onset", {"frames": count - self._seen, **evidence})
            self._seen = count
        elif self._at_onset is not None and now_us - self._last_us > _OVER_US:
            self._fault(self._code, "end", {"frames": count - self._at_onset})
            self._at_onset = None


class Monitor:
    """``look`` is called a few times a second. ``camera_failed`` once for each time delivery ended by itself."""

    def __init__(self, camera: Camera, fault: FaultSink, camera_failed: Callable[[], None]) -> None:
        self._camera = camera
        self._fault = fault
        self._camera_failed = camera_failed
        self._failure: DeviceError | None = None
        self._stalled_us: int | None = None
        self._overflow = _Count("buffer-overflow", fault)
        self._disorder = _Count("timestamp-fault", fault)

    def look(self, now_us: int, log: LogState) -> None:
        self._look_at_camera()
        self._look_at_frames(now_us, log)
        self._overflow.look(now_us, log.lost_frames, {"buffer_bytes": log.bytes})
        self._disorder.look(now_us, log.disordered, {})

    def _look_at_camera(self) -> None:
        failure = self._camera.failure()
        if failure is not None and self._failure is None:
            self._fault("camera-fault", "onset", {"error": str(failure), "errno": failure.errno})
            self._camera_failed()
        elif failure is None and self._failure is not None:
            self._fault("camera-fault", "end", {"error": str(self._failure)})
        self._failure = failure

    def _look_at_frames(self, now_us: int, log: LogState) -> None:
        if self._stalled_us is not None and log.last_frame_us > self._stalled_us:
            self._fault("camera-stall", "end", {"from_us": self._stalled_us, "resumed_by_us": log.last_frame_us})
            self._stalled_us = None
        elif (
            self._stalled_us is None and self._failure is None and log.frames and now_us - log.last_frame_us > STALL_US
        ):
            self._stalled_us = log.last_frame_us
            self._fault("camera-stall", "onset", {"from_us": log.last_frame_us})
