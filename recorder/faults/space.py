"""How long the card lasts at the present bit rate. Pure."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from recorder.faults.latch import Change, Latch, below

_WINDOW_US: Final = 60_000_000
_ENOUGH_US: Final = 10_000_000
_MORE_ROOM: Final = 1.1
"""A warning ends only with a tenth more room than it began with."""


class BitRate:
    """Bytes a second that became durable in the last minute of recording. ``nominal``: what the configuration asks of the
    encoders, used until there is enough to measure."""

    def __init__(self, nominal_bytes_s: float) -> None:
        self._nominal = nominal_bytes_s
        self._written: deque[tuple[int, int]] = deque()
        self._bytes = 0
        self._begun_us = 0

    def wrote(self, now_us: int, size: int) -> None:
        if not self._written:
            self._begun_us = now_us
        self._written.append((now_us, size))
        self._bytes += size
        self._forget(now_us)

    def bytes_s(self, now_us: int) -> float:
        self._forget(now_us)
        span_us = min(now_us - self._begun_us, _WINDOW_US)
        if not self._written or span_us < _ENOUGH_US:
            return self._nominal
        return self._bytes / span_us * 1e6

    def _forget(self, now_us: int) -> None:
        while self._written and now_us - self._written[0][0] > _WINDOW_US:
            self._bytes -= self._written.popleft()[1]


class SpaceWatch:
    """``storage-low``, ``storage-very-low`` (for media: by minutes left) and ``storage-full`` (nothing but the journal's
    reserve is left)."""

    def __init__(self, *, low_minutes: float, very_low_minutes: float, reserve_bytes: int) -> None:
        self._low_minutes, self._very_low_minutes = low_minutes, very_low_minutes
        self._reserve = reserve_bytes
        self._low = Latch("storage-low", end_after_us=400_000)
        self._very_low = Latch("storage-very-low", end_after_us=400_000)
        self._full = Latch("storage-full")

    def minutes(self, free_bytes: int, bytes_s: float) -> float:
        return max(0, free_bytes - self._reserve) / max(bytes_s, 1.0) / 60

    def look(self, now_us: int, free_bytes: int | None, bytes_s: float) -> list[Change]:
        """``free_bytes`` None: the disk does not tell."""
        minutes = None if free_bytes is None else self.minutes(free_bytes, bytes_s)
        evidence: dict[str, Any] = {
            "free_bytes": free_bytes,
            "reserve_bytes": self._reserve,
            "bytes_per_s": round(bytes_s),
            "minutes_left": None if minutes is None else round(minutes, 1),
        }
        full = None if free_bytes is None else free_bytes < self._reserve
        changes = (
            self._low.update(now_us, self._under(minutes, self._low, self._low_minutes), evidence),
            self._very_low.update(now_us, self._under(minutes, self._very_low, self._very_low_minutes), evidence),
            self._full.update(now_us, full, evidence),
        )
        return [change for change in changes if change is not None]

    @staticmethod
    def _under(minutes: float | None, latch: Latch, limit: float) -> bool | None:
        return below(minutes, latch.present, limit, limit * _MORE_ROOM)
