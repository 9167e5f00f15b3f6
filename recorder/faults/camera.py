"""Is there a picture? A device that refuses or vanishes, and frames that stop coming. Pure."""

from __future__ import annotations

from typing import Any

from recorder.faults.errno_code import camera_code
from recorder.faults.latch import Change


class CameraHealth:
    """``camera-unplugged``, ``camera-fault`` and ``camera-stall`` of one camera. One of them at a time, and each ends with
    a frame: a device that opens again has not yet shown anything. ``stall_us``: without a frame for so long the picture
    has a hole no file shows, because the unit process kills a worker much later."""

    def __init__(self, stall_us: int) -> None:
        self._stall_us = stall_us
        self._failed: str | None = None
        self._failed_us = 0
        self._frames = 0
        self._last_frame_us = -1
        self._stalled_us: int | None = None

    def refused(self, now_us: int, error: str, number: int | None) -> list[Change]:
        """The device could not be opened, or its delivery ended by itself."""
        code = camera_code(number)
        if self._failed == code:
            return []
        changes = self._end_stall(None)
        if self._failed is not None:
            changes.append(self._end_failure(now_us, {"became": code}))
        self._failed, self._failed_us = code, now_us
        evidence: dict[str, Any] = {"error": error, "errno": number, "from_us": now_us}
        if self._frames:
            evidence |= {"last_frame_us": self._last_frame_us, "frames": self._frames}
        return [*changes, Change(code, "onset", evidence)]

    def look(self, now_us: int, frames: int, last_frame_us: int) -> list[Change]:
        """``frames`` delivered since the worker started, and the time stamp of the last one."""
        grew = frames > self._frames
        self._frames, self._last_frame_us = frames, last_frame_us
        if self._failed is not None:
            return [self._end_failure(now_us, {"resumed_by_us": last_frame_us})] if grew else []
        if self._stalled_us is not None:
            return self._end_stall(last_frame_us) if last_frame_us > self._stalled_us else []
        if frames and now_us - last_frame_us > self._stall_us:
            self._stalled_us = last_frame_us
            evidence = {"from_us": last_frame_us, "frames": frames, "threshold_us": self._stall_us}
            return [Change("camera-stall", "onset", evidence)]
        return []

    def _end_failure(self, now_us: int, evidence: dict[str, Any]) -> Change:
        code, self._failed = self._failed, None
        assert code is not None
        return Change(code, "end", {"from_us": self._failed_us, "to_us": now_us, **evidence})

    def _end_stall(self, last_frame_us: int | None) -> list[Change]:
        if self._stalled_us is None:
            return []
        evidence: dict[str, Any] = {"from_us": self._stalled_us}
        evidence |= {"became": "failure"} if last_frame_us is None else {"resumed_by_us": last_frame_us}
        self._stalled_us = None
        return [Change("camera-stall", "end", evidence)]
