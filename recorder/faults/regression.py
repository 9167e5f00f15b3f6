"""A line through measurements some of which are wrong. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Theil-Sen: the median of the slopes between all pairs (P. K. Sen, 1968). Up to 29 % of the points may be anything.
    None without two different x. Quadratic in the number of points: keep them to some dozens."""
    slopes = [
        (y2 - y1) / (x2 - x1) for index, (x1, y1) in enumerate(points) for x2, y2 in points[index + 1 :] if x2 != x1
    ]
    return median(slopes) if slopes else None


def level(points: Sequence[tuple[float, float]], rate: float, at: float) -> float:
    """The value at ``at`` of the line with slope ``rate`` that lies in the middle of the points."""
    return median(y + rate * (at - x) for x, y in points)
