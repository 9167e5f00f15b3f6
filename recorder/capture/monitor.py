"""Watches camera and buffer and turns changes into fault reports: onset once, end once. Pure but for what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

from firmware_bridge.ports import Camera, DeviceError
from recorder.capture.packet_log import LogState

_OVERFLOW_OVER_US: Final = 2_000_000

FaultSink = Callable[[str, Literal["onset", "end"], dict[str, Any]], None]


class Monitor:
    """``look`` is called a few times a second. ``camera_failed`` once for each time delivery ended by itself."""

    def __init__(self, camera: Camera, fault: FaultSink, camera_failed: Callable[[], None]) -> None:
        self._camera = camera
        self._fault = fault
        self._camera_failed = camera_failed
        self._failure: DeviceError | None = None
        self._lost_seen = 0
        self._lost_at_onset: int | None = None
        self._last_loss_us = 0

    def look(self, now_us: int, log: LogState) -> None:
        self._look_at_camera()
        self._look_at_log(now_us, log)

    def _look_at_camera(self) -> None:
        failure = self._camera.failure()
        if failure is not None and self._failure is None:
            self._fault("camera-fault", "onset", {"error": str(failure), "errno": failure.errno})
            self._camera_failed()
        elif failure is None and self._failure is not None:
            self._fault("camera-fault", "end", {"error": str(self._failure)})
        self._failure = failure

    def _look_at_log(self, now_us: int, log: LogState) -> None:
        if log.lost_frames > self._lost_seen:
            self._last_loss_us = now_us
            if self._lost_at_onset is None:
                self._lost_at_onset = self._lost_seen
                evidence = {"frames": log.lost_frames - self._lost_seen, "buffer_bytes": log.bytes}
                self._fault("buffer-overflow", "onset", evidence)
            self._lost_seen = log.lost_frames
        elif self._lost_at_onset is not None and now_us - self._last_loss_us > _OVERFLOW_OVER_US:
            self._fault("buffer-overflow", "end", {"frames": log.lost_frames - self._lost_at_onset})
            self._lost_at_onset = None
