"""What is left to send over time, as an SVG file: the grants, the lottery and the link's own limit. No library for it: two
axes and three lines, and the text of the file shows in a diff what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 760
HEIGHT: Final = 360
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50


@dataclass(frozen=True, slots=True)
class Line:
    """``points``: (seconds, bytes left)."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def chart(title: str, lines: Sequence[Line]) -> str:
    last = max(x for line in lines for x, _ in line.points)
    most = max(y for line in lines for _, y in line.points)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> str:
        return f"{LEFT + wide * x / last:.1f},{TOP + high * (1 - y / most):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{title}</text>',
    ]
    for tick in range(5):
        y, x = most * tick / 4, last * tick / 4
        row, column = TOP + high * (1 - tick / 4), LEFT + wide * tick / 4
        parts.append(f'<line x1="{LEFT}" y1="{row:.1f}" x2="{WIDTH - RIGHT}" y2="{row:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{row + 4:.1f}" text-anchor="end">{y / 1e12:.1f}</text>')
        parts.append(f'<text x="{column:.1f}" y="{HEIGHT - 28}" text-anchor="middle">{x / 60:.0f}</text>')
    parts.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 8}" text-anchor="middle">分钟 minutes</text>')
    middle = TOP + high / 2
    parts.append(
        f'<text x="16" y="{middle}" text-anchor="middle" transform="rotate(-90 16 {middle})">待传 to send, TB</text>'
    )
    for number, line in enumerate(lines):
        points = " ".join(at(x, y) for x, y in line.points)
        dash = ' stroke-dasharray="6 4"' if line.dashed else ""
        parts.append(f'<polyline points="{points}" fill="none" stroke="{line.colour}" stroke-width="2"{dash}/>')
        x, y = WIDTH - RIGHT - 260, TOP + 14 + 18 * number
        parts.append(
            f'<line x1="{x}" y1="{y - 4}" x2="{x + 26}" y2="{y - 4}" stroke="{line.colour}" stroke-width="2"{dash}/>'
        )
        parts.append(f'<text x="{x + 34}" y="{y}">{line.name}</text>')
    return "\n".join([*parts, "</svg>", ""])
