"""A shift's timeline as inline SVG: one bar per camera, gaps in red, nobody's time hatched. No script, no reference."""

from __future__ import annotations

from html import escape

from recorder.evidence import formatting
from recorder.evidence.verify.report import LineReport, ShiftReport, StretchReport
from recorder.evidence.verify.text import KIND_NAMES

WIDTH = 1000
BAR = 26
ROW = 44
LABEL = 14

COLOURS: dict[str, str] = {
    "recorded": "#2f6f4f",
    "standby": "#c9d6cf",
    "gap": "#c22f2f",
    "off": "#8a8f98",
    "idle": "#e6e8eb",
    "seam": "#e0c36a",
    "pending": "#e0c36a",
    "unaccounted": "url(#nobody)",
}
HATCH = (
    '<defs><pattern id="nobody" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#fff"/><rect width="3" height="6" fill="#c22f2f"/></pattern></defs>'
)
LOUD = ("gap", "unaccounted")
LEAST = 2.0
"""Pixels: a gap of half a second in an eight-hour shift must still be seen."""
MAX_STRETCHES = 4000
"""Stretches drawn per camera; a longer list is merged per pixel, the loud kinds always drawn."""


def timeline_svg(shift: ShiftReport) -> str:
    """The whole figure. Widths are proportional to time."""
    height = ROW * len(shift.lines) + 24
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" xmlns="http://www.w3.org/2000/svg" '
        f'aria-label="{escape(f"时间线 timeline {shift.shift_id}")}">',
        HATCH,
    ]
    for number, line in enumerate(shift.lines):
        parts.append(_line(line, number * ROW, max(1, shift.length_us)))
    y = ROW * len(shift.lines) + LABEL
    parts.append(f'<text x="0" y="{y}">{escape(formatting.wall(shift.start))}</text>')
    parts.append(f'<text x="{WIDTH}" y="{y}" text-anchor="end">{escape(formatting.wall(shift.end))}</text>')
    parts.append("</svg>")
    return "".join(parts)


def _line(line: LineReport, top: int, length_us: int) -> str:
    parts = [f'<text x="0" y="{top + 12}">{escape(line.camera_id)}</text>']
    y = top + 16
    quiet = [stretch for stretch in line.stretches if stretch.kind not in LOUD]
    if len(quiet) > MAX_STRETCHES:
        quiet = _merged(quiet, length_us)
    # The loud kinds last: what is lacking is drawn over its neighbours, never under them.
    for stretch in [*quiet, *(stretch for stretch in line.stretches if stretch.kind in LOUD)]:
        parts.append(_bar(stretch, y, length_us))
    return "".join(parts)


def _bar(stretch: StretchReport, y: int, length_us: int) -> str:
    x = stretch.start_us * WIDTH / length_us
    width = (stretch.end_us - stretch.start_us) * WIDTH / length_us
    if stretch.kind in LOUD:
        width = max(width, LEAST)
    x = min(x, WIDTH - width)
    zh, en = KIND_NAMES[stretch.kind]
    title = f"{zh} {en} {formatting.length(stretch.end_us - stretch.start_us)} {stretch.ref}"
    return (
        f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{BAR}" fill="{COLOURS[stretch.kind]}">'
        f"<title>{escape(title.strip())}</title></rect>"
    )


def _merged(stretches: list[StretchReport], length_us: int) -> list[StretchReport]:
    """Neighbours of one kind within a pixel as one bar."""
    pixel = length_us / WIDTH
    merged: list[StretchReport] = []
    for stretch in stretches:
        last = merged[-1] if merged else None
        if last is not None and last.kind == stretch.kind and stretch.start_us - last.end_us < pixel:
            merged[-1] = StretchReport(last.kind, last.start_us, stretch.end_us, "")
        else:
            merged.append(stretch)
    return merged


def legend() -> str:
    """What the colours mean, as HTML."""
    items = []
    for kind, (zh, en) in KIND_NAMES.items():
        colour = (
            COLOURS[kind] if kind != "unaccounted" else "repeating-linear-gradient(45deg,#c22f2f 0 3px,#fff 3px 6px)"
        )
        items.append(f'<span class="key"><i style="background:{colour}"></i>{escape(zh)} <em>{escape(en)}</em></span>')
    return f'<p class="legend">{"".join(items)}</p>'
