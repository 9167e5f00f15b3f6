"""Does the recorder still do what it is for, or is a reset of the board the only cure left? Pure.

A worker that hangs is killed and started again within seconds (``supervision``). What that does not cure, a camera whose
firmware hangs or a card that swallows every write, only a reset does. A reset ends everything else, too, so the answer is
no only when all of this holds:

- No camera has made progress for ``reset_after_us``: frames and, while it is to record, durable entries. One that does
  is worth more than the other.
- One has, in this run of the unit: a camera that was never there is not brought by a reset, and a reset that did not
  help is not repeated, since nothing makes progress after it.
- The board is up for ``min_uptime_us``: whatever happens, so many resets an hour and no more.
- Nothing explains it that a reset does not cure: a camera somebody unplugged, a card that is full.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from recorder.config.models import Watchdog

NO_CURE: Final = frozenset({"camera-unplugged", "storage-full"})
"""Faults that a reset does not end."""


@dataclass(frozen=True, slots=True)
class VitalitySettings:
    """``reset_after_us`` 0: nothing but a hang of the unit process itself resets the board."""

    reset_after_us: int
    min_uptime_us: int

    @classmethod
    def of(cls, settings: Watchdog) -> VitalitySettings:
        return cls(round(settings.reset_after_s * 1e6), round(settings.min_uptime_s * 1e6))


@dataclass(slots=True)
class _Camera:
    frames: int
    entries: int
    frames_us: int
    entries_us: int


class Vitality:
    """``at_us``, ``now_us``: CLOCK_BOOTTIME."""

    def __init__(self, settings: VitalitySettings) -> None:
        self._settings = settings
        self._cameras: dict[str, _Camera] = {}
        self._excused_us = 0

    def progress(self, camera_id: str, at_us: int, *, frames: int, entries: int, wanted: bool) -> None:
        """A worker's report; both counters begin anew with each worker. ``wanted``: it is to record, whatever it does. A
        worker's first report is where it begins and no progress: a camera that shows one frame after each restart and hangs
        again records nothing."""
        camera = self._cameras.get(camera_id)
        if camera is None:
            if frames:
                self._cameras[camera_id] = _Camera(frames, entries, at_us, at_us)
            return
        if 0 < camera.frames < frames:
            camera.frames_us = at_us
        if not wanted or entries > camera.entries:
            camera.entries_us = at_us
        camera.frames, camera.entries = frames, entries

    def restarted(self, camera_id: str) -> None:
        """The worker is gone."""
        if (camera := self._cameras.get(camera_id)) is not None:
            camera.frames = camera.entries = 0

    def last_progress_us(self) -> int | None:
        """When the liveliest camera last had both frames and, where it records, durable entries; None before any."""
        return max((min(camera.frames_us, camera.entries_us) for camera in self._cameras.values()), default=None)

    def alive(self, now_us: int, present: Collection[str]) -> bool:
        """Feed the watchdog? ``present``: codes of the faults there are now."""
        if not NO_CURE.isdisjoint(present):
            self._excused_us = now_us
        last_us = self.last_progress_us()
        if last_us is None or not self._settings.reset_after_us or now_us < self._settings.min_uptime_us:
            return True
        return now_us - max(last_us, self._excused_us) <= self._settings.reset_after_us
