"""Watches camera, picture, buffer and disk and turns changes into fault reports: onset once, end once.

Pure but for what it is handed. The decisions are in ``recorder.faults``; here they meet the worker's counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal

from firmware_bridge.ports import DeviceError
from recorder.capture.lens import LensEye
from recorder.capture.packet_log import LogState
from recorder.capture.settings import Faults
from recorder.capture.sync_times import SyncTimes
from recorder.faults.camera import CameraHealth
from recorder.faults.latch import Change
from recorder.faults.latency import SlowStorage

_OVER_US: Final = 2_000_000
"""A fault that shows as a growing count is over when it has not grown for so long."""

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
    """``look`` is called several times a second, ``camera_refused`` for each failure of the camera in between.
    ``lens`` None: pictures are not looked at; ``syncs`` None: neither is the disk."""

    def __init__(
        self, settings: Faults, fault: FaultSink, lens: LensEye | None = None, syncs: SyncTimes | None = None
    ) -> None:
        self._fault = fault
        self._camera = CameraHealth(round(settings.camera.stall_s * 1e6))
        self._lens = lens
        self._syncs = syncs
        self._storage = SlowStorage(settings.storage)
        self._overflow = _Count("buffer-overflow", fault)
        self._disorder = _Count("timestamp-fault", fault)

    def camera_refused(self, now_us: int, error: DeviceError, log: LogState) -> None:
        self._tell(
            self._camera.look(now_us, log.frames, log.last_frame_us)
        )  # what came before it failed is no recovery
        self._tell(self._camera.refused(now_us, str(error), error.errno))

    def look(self, now_us: int, log: LogState) -> None:
        self._tell(self._camera.look(now_us, log.frames, log.last_frame_us))
        if self._lens is not None:
            self._tell(self._lens.look())
        if self._syncs is not None:
            for duration_us in self._syncs.take():
                self._storage.done(duration_us)
            self._tell(filter(None, [self._storage.look(now_us, self._syncs.pending_since_us)]))
        self._overflow.look(now_us, log.lost_frames, {"buffer_bytes": log.bytes})
        self._disorder.look(now_us, log.disordered, {})

    def _tell(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._fault(change.code, change.phase, change.evidence)
