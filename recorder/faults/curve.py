"""A measured value over time as evidence: never more than so many points, however long it takes. Pure."""

from __future__ import annotations

from typing import Final

POINTS: Final = 32


class Curve:
    """Points ``(at_us, value)`` at least ``step_us`` apart. ``window_us``: only the newest so much is kept; without it the
    whole time is, at half the resolution each time the points run out."""

    def __init__(self, step_us: int, *, window_us: int | None = None, points: int = POINTS) -> None:
        self._first_step_us = step_us if window_us is None else max(step_us, -(-window_us // (points - 1)))
        self._step_us = self._first_step_us
        self._window_us = window_us
        self._most = points
        self._points: list[tuple[int, float]] = []
        self._last: tuple[int, float] | None = None

    def add(self, at_us: int, value: float) -> None:
        self._last = at_us, value
        if self._points and at_us - self._points[-1][0] < self._step_us:
            return
        self._points.append((at_us, value))
        if self._window_us is not None:
            while self._points and at_us - self._points[0][0] > self._window_us:
                del self._points[0]
        elif len(self._points) > self._most - 1:
            self._points = self._points[::2]
            self._step_us *= 2

    def clear(self) -> None:
        self._points.clear()
        self._last = None
        self._step_us = self._first_step_us

    def points(self) -> list[tuple[int, float]]:
        """In order of time, the newest value included."""
        newest = [] if self._last is None or (self._points and self._points[-1] == self._last) else [self._last]
        return [*self._points, *newest]

    def evidence(self, digits: int = 1) -> list[list[float]]:
        """``[[at_us, value], …]`` for a fault's evidence."""
        return [[at_us, round(value, digits)] for at_us, value in self.points()]
