"""Looks at some of the pictures on their way to the encoder. The camera's thread measures, the watching thread decides."""

from __future__ import annotations

from firmware_bridge.ports import Clock, FramePainter, Plane
from recorder.capture.luma import statistics
from recorder.capture.settings import LensFaults
from recorder.capture.telemetry import TelemetryBook
from recorder.faults.latch import Change
from recorder.faults.lens import LensWatch, LumaStatistics


class LensEye:
    """``paint`` is a ``ports.FramePainter`` that changes nothing; it hands the picture on to ``then`` (the watermark must
    not be measured). Statistics pass between the threads as one reference, so no lock is needed."""

    def __init__(self, settings: LensFaults, telemetry: TelemetryBook, clock: Clock, then: FramePainter | None) -> None:
        self._every_us = round(settings.sample_s * 1e6)
        self._watch = LensWatch(settings)
        self._telemetry = telemetry
        self._clock = clock
        self._then = then
        self._next_us = 0
        self._latest: LumaStatistics | None = None

    def paint(self, luma: Plane, timestamp_us: int) -> None:
        if timestamp_us >= self._next_us:
            self._next_us = timestamp_us + self._every_us
            self._latest = statistics(luma, timestamp_us)
        if self._then is not None:
            self._then(luma, timestamp_us)

    def look(self) -> list[Change]:
        latest = self._latest
        if latest is None:
            return []
        return self._watch.look(latest, self._telemetry.light(self._clock.boottime_us()))
