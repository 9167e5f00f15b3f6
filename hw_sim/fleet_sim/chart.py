"""Charts side by side, as one SVG file. No library for it: axes and lines, and the text of the file shows in a diff what
has changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 540
"""Of one panel."""
HEIGHT: Final = 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 64, 84


@dataclass(frozen=True, slots=True)
class Line:
    """``points``: (x, y) in the units of the panel's axes."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Axis:
    """``ticks``: where a number stands. ``log``: to the base 10, from ``low`` above 0."""

    name: str
    low: float
    high: float
    ticks: Sequence[float]
    log: bool = False

    def share(self, value: float) -> float:
        """0 … 1 along the axis; what is beyond its ends stands at the end."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line]


def linear(name: str, high: float) -> Axis:
    """From 0 to ``high``, with two to four round steps."""
    unit = 10.0 ** math.floor(math.log10(high / 4))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= high / 4 * (1 - 1e-9))
    return Axis(name, 0.0, high, [step * tick for tick in range(5) if step * tick <= high * (1 + 1e-9)])


def decades(name: str, low: float, high: float) -> Axis:
    """A logarithmic axis of whole powers of ten around ``low`` … ``high``, at least one decade."""
    first = math.floor(math.log10(low))
    last = max(first + 1, math.ceil(math.log10(high)))
    return Axis(name, 10.0**first, 10.0**last, [10.0**power for power in range(first, last + 1)], log=True)


def chart(title: str, panels: Sequence[Panel]) -> str:
    wide = WIDTH * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{wide}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({WIDTH * number} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def column(x: float) -> float:
        return LEFT + wide * panel.x.share(x)

    def row(y: float) -> float:
        return TOP + high * (1 - panel.y.share(y))

    parts = [f'<text x="{LEFT}" y="{TOP - 12}" font-size="13">{escape(panel.title)}</text>']
    for tick in panel.y.ticks:
        at = row(tick)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for tick in panel.x.ticks:
        at = column(tick)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{TOP + high}" stroke="#eee"/>')
        parts.append(f'<text x="{at:.1f}" y="{TOP + high + 18}" text-anchor="middle">{tick:g}</text>')
    middle = TOP + high / 2
    parts.append(
        f'<text x="{LEFT + wide / 2}" y="{TOP + high + 38}" text-anchor="middle">{escape(panel.x.name)}</text>'
    )
    parts.append(
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">{escape(panel.y.name)}</text>'
    )
    for number, line in enumerate(panel.lines):
        points = " ".join(f"{column(x):.1f},{row(y):.1f}" for x, y in line.points)
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        stroke = f'fill="none" stroke="{line.colour}" stroke-width="2"{dash}'
        x, y = LEFT + wide * number / len(panel.lines), HEIGHT - 14
        parts.append(f'<polyline points="{points}" {stroke}/>')
        parts.append(f'<polyline points="{x:.1f},{y - 4} {x + 22:.1f},{y - 4}" {stroke}/>')
        parts.append(f'<text x="{x + 28:.1f}" y="{y}">{escape(line.name)}</text>')
    return parts
