"""What the unit knew about the world, written beside each fragment as one JSON object in a ``uuid`` box.

A value the unit process last told more than two seconds before the fragment's end is written as stale and never passed off
as fresh; a position appears in the fragment in whose time it was received, once.

Fields: ``v`` 1 · ``from_us`` ``to_us`` media time (boot-time) · ``stale`` nothing fresh from the unit process ·
``fixes`` positions received within · ``position_stale`` no fix in the last two seconds · ``lux`` ambient light ·
``scene_lux`` ``exposure_us`` ``gain`` of the sensor · ``night`` ``lamp`` · ``battery_percent`` · ``temperature_c`` ·
``dropped_frames`` since the worker started. null: unknown.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Final

from msgspec.structs import asdict

from firmware_bridge.ports import SensorInfo
from recorder.channel.messages import Position, Telemetry
from recorder.evidence.encoding import compact_json

STALE_US: Final = 2_000_000


class TelemetryBook:
    """The unit's telemetry of the last ``keep_us``, by time: pre-roll is written after it happened."""

    def __init__(self, keep_us: int) -> None:
        self._keep_us = keep_us + 2 * STALE_US
        self._states: deque[Telemetry] = deque()
        self._fixes: deque[Position] = deque()
        self._lock = threading.Lock()

    def add(self, message: Telemetry) -> None:
        """Take a message in. The same position told again (same ``received_us``) is no new fix."""
        with self._lock:
            self._states.append(message)
            position = message.position
            if position is not None and (not self._fixes or position.received_us > self._fixes[-1].received_us):
                self._fixes.append(position)
            oldest = message.at_us - self._keep_us
            while self._states[0].at_us < oldest:
                self._states.popleft()
            while self._fixes and self._fixes[0].received_us < oldest:
                self._fixes.popleft()

    def at(self, from_us: int, to_us: int) -> tuple[Telemetry | None, list[Position], Position | None]:
        """Newest state known at ``to_us``, fixes received in ``[from_us, to_us)``, newest fix before ``to_us``."""
        with self._lock:
            state = next((state for state in reversed(self._states) if state.at_us <= to_us), None)
            fixes = [fix for fix in self._fixes if from_us <= fix.received_us < to_us]
            newest = next((fix for fix in reversed(self._fixes) if fix.received_us < to_us), None)
        return state, fixes, newest

    def light(self, now_us: int) -> tuple[int, float] | None:
        """``(at_us, lux)`` as the unit told it last; None without a light sensor or when that is stale."""
        with self._lock:
            newest = self._states[-1] if self._states else None
        if newest is None or newest.lux is None or now_us - newest.at_us > STALE_US:
            return None
        return newest.at_us, newest.lux


class SegmentTelemetry:
    """Telemetry of one segment: its fragments' JSON, and how many of its seconds had a fix."""

    def __init__(self, book: TelemetryBook, base_us: int) -> None:
        self._book = book
        self._base_us = base_us
        self._seconds: set[int] = set()

    @property
    def fix_seconds(self) -> int:
        """Seconds of the segment (counted from its first frame) in which a believed fix was received."""
        return len(self._seconds)

    def fragment(self, from_us: int, to_us: int, sensor: SensorInfo, dropped_frames: int) -> bytes:
        """The JSON of one fragment, UTF-8."""
        state, fixes, newest = self._book.at(from_us, to_us)
        self._seconds.update((fix.received_us - self._base_us) // 1_000_000 for fix in fixes if fix.quality > 0)
        content: dict[str, Any] = {
            "v": 1,
            "from_us": from_us,
            "to_us": to_us,
            "stale": state is None or to_us - state.at_us > STALE_US,
            "fixes": [asdict(fix) for fix in fixes],
            "position_stale": newest is None or to_us - newest.received_us > STALE_US,
            "lux": state.lux if state else None,
            "scene_lux": sensor.lux,
            "exposure_us": sensor.exposure_us,
            "gain": sensor.analogue_gain,
            "night": state.night if state else None,
            "lamp": state.lamp if state else None,
            "battery_percent": state.battery_percent if state else None,
            "temperature_c": state.temperature_c if state else None,
            "dropped_frames": dropped_frames,
        }
        return compact_json(content)
