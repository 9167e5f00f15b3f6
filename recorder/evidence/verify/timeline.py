"""Every second of a shift: recorded, standby, gap, off, or nobody's. Pure.

A shift may span boots, and boot-time starts anew in each; so the shift is laid out on one line of microseconds: each boot's
stretch as long as its boot-time says, and between two boots as much as the wall clock claims. On this line the signed
intervals of a camera are swept, more telling kinds over less telling ones, and what is left over is *unaccounted*.

Per camera ``recorded + standby + gap + off + idle + seam + pending + unaccounted`` is the length of the shift, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["recorded", "gap", "standby", "off", "idle"]
PRIORITY: tuple[Kind, ...] = ("recorded", "gap", "standby", "off", "idle")
"""Where intervals overlap the first counts: a pre-roll within standby is recorded time (the overlap is declared)."""

SEAM_US = 500_000
"""Holes up to this long between signed intervals are tolerated and summed as ``seam``: a fragment is 0.5 s, records are
written a little after the moment they speak of. Within a session adjacent segments are held to CONTINUITY_US instead."""

CONTINUITY_US = 40_000
"""Adjacent segments of a session may be this far apart: one frame at 25 frames a second (GA/T 947)."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """``us`` of boot-time in boot number ``boot``."""

    boot: int
    us: int


@dataclass(frozen=True, slots=True)
class BootSpan:
    """What is known of one boot: first and last record, in boot-time and by the wall clock's claim (seconds)."""

    first_us: int
    last_us: int
    first_wall: float
    last_wall: float


@dataclass(frozen=True, slots=True)
class Span:
    """A signed interval of one kind. ``ref``: segment or gap id, empty for the others."""

    kind: Kind
    start: Point
    end: Point
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of the finished timeline, in µs from its beginning. ``kind`` as above, or ``seam``, ``pending``,
    ``unaccounted``."""

    kind: str
    start_us: int
    end_us: int
    ref: str = ""

    @property
    def length_us(self) -> int:
        return self.end_us - self.start_us


@dataclass(frozen=True, slots=True)
class Line:
    """The timeline of one camera over one shift. ``overlap_us``: recorded while also declared standby (pre-roll)."""

    stretches: tuple[Stretch, ...]
    length_us: int
    overlap_us: int = 0

    def total(self, kind: str) -> int:
        return sum(stretch.length_us for stretch in self.stretches if stretch.kind == kind)


@dataclass(slots=True)
class Ruler:
    """Lays the boots a window touches on one line. Positions outside the window are clamped to it."""

    boots: Sequence[BootSpan]
    start: Point
    end: Point
    _base: dict[int, int] = field(default_factory=dict)
    _low: dict[int, int] = field(default_factory=dict)
    _high: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        at = 0
        for boot in range(self.start.boot, self.end.boot + 1):
            span = self.boots[boot]
            low = self.start.us if boot == self.start.boot else span.first_us
            high = self.end.us if boot == self.end.boot else span.last_us
            if boot > self.start.boot:
                before = self.boots[boot - 1]
                # The wall clock may have been wrong in either boot: a length is never negative.
                at += max(0, round((span.first_wall - before.last_wall) * 1e6))
            self._base[boot], self._low[boot], self._high[boot] = at, low, max(low, high)
            at += max(0, high - low)
        self.length_us = at

    length_us: int = 0

    def position(self, point: Point) -> int:
        """µs from the window's start."""
        if point.boot < self.start.boot:
            return 0
        if point.boot > self.end.boot:
            return self.length_us
        us = min(max(point.us, self._low[point.boot]), self._high[point.boot])
        return self._base[point.boot] + us - self._low[point.boot]

    def point(self, position: int) -> Point:
        """The moment at ``position``; between two boots the end of the earlier one."""
        found = self.start.boot
        for boot, base in self._base.items():
            if base <= position:
                found = boot
        us = self._low[found] + position - self._base[found]
        return Point(found, min(us, self._high[found]))


def lay_out(ruler: Ruler, spans: Iterable[Span], *, open_end: bool = False, seam_us: int = SEAM_US) -> Line:
    """The timeline of one camera. ``open_end``: the shift goes on; what follows the last interval is ``pending``."""
    marks: list[tuple[int, int, int, str]] = []
    for span in spans:
        start, end = ruler.position(span.start), ruler.position(span.end)
        if end > start:
            marks.append((start, end, PRIORITY.index(span.kind), span.ref))
    pieces, overlap = _sweep(marks)
    return Line(tuple(_fill(pieces, ruler.length_us, open_end, seam_us)), ruler.length_us, overlap)


def _sweep(marks: list[tuple[int, int, int, str]]) -> tuple[list[Stretch], int]:
    """Stretches of the best kind at each place, in order; and how long recorded and standby overlap."""
    edges: list[tuple[int, int, int, str]] = []
    for start, end, priority, ref in marks:
        edges.append((start, 1, priority, ref))
        edges.append((end, 0, priority, ref))
    edges.sort(key=lambda edge: edge[0])
    active: list[dict[str, int]] = [{} for _ in PRIORITY]
    pieces: list[Stretch] = []
    overlap = 0
    at = 0
    for position, opens, priority, ref in edges:
        if position > at:
            best = next((index for index, refs in enumerate(active) if refs), None)
            if best is not None:
                _append(pieces, PRIORITY[best], at, position, next(iter(active[best])))
                if best == 0 and active[PRIORITY.index("standby")]:
                    overlap += position - at
            at = position
        counts = active[priority]
        if opens:
            counts[ref] = counts.get(ref, 0) + 1
        elif counts[ref] == 1:
            del counts[ref]
        else:
            counts[ref] -= 1
    return pieces, overlap


def _append(pieces: list[Stretch], kind: str, start: int, end: int, ref: str) -> None:
    last = pieces[-1] if pieces else None
    if last is not None and last.kind == kind and last.ref == ref and last.end_us == start:
        pieces[-1] = Stretch(kind, last.start_us, end, ref)
    else:
        pieces.append(Stretch(kind, start, end, ref))


def _fill(pieces: list[Stretch], length_us: int, open_end: bool, seam_us: int) -> Iterable[Stretch]:
    """The pieces with the holes between them named."""
    at = 0
    for piece in pieces:
        if piece.start_us > at:
            hole = piece.start_us - at
            yield Stretch("seam" if hole <= seam_us else "unaccounted", at, piece.start_us)
        yield piece
        at = piece.end_us
    if at < length_us:
        hole = length_us - at
        kind = "pending" if open_end else "seam" if hole <= seam_us else "unaccounted"
        yield Stretch(kind, at, length_us)


# --- continuity within a session -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Media:
    """One live or post-event segment of a camera: its media's start and end."""

    segment_id: str
    start: Point
    end: Point


@dataclass(frozen=True, slots=True)
class Hole:
    """Media lacking between two adjacent segments that no interruption record names."""

    before: str
    after: str
    start: Point
    end: Point


def holes(
    media: Sequence[Media],
    gaps: Sequence[tuple[Point, Point | None]],
    since: Point | None = None,
    until: Point | None = None,
) -> list[Hole]:
    """Holes of one camera within one session. ``gaps``: recorded interruptions (end None: never resumed). The session owes
    media from ``since`` until ``until``: what lies before and behind is media all the same, and nothing between it is
    lacking."""
    found = []
    ordered = sorted(media, key=lambda item: (item.start, item.end))
    reach: Media | None = None
    for item in ordered:
        if reach is not None:
            start = reach.end if since is None else max(reach.end, since)
            end = item.start if until is None else min(item.start, until)
            if start < end and _apart(start, end) and not _named(start, end, gaps):
                found.append(Hole(reach.segment_id, item.segment_id, start, end))
        if reach is None or item.end > reach.end:
            reach = item
    return found


def _apart(end: Point, start: Point) -> bool:
    return start.boot != end.boot or start.us - end.us > CONTINUITY_US


def _named(end: Point, start: Point, gaps: Sequence[tuple[Point, Point | None]]) -> bool:
    """Whether interruptions cover the hole, up to one frame at either side."""
    at = end
    for gap_start, gap_end in sorted(gaps, key=lambda gap: gap[0]):
        if gap_start <= Point(at.boot, at.us + CONTINUITY_US) and (gap_end is None or gap_end > at):
            if gap_end is None:
                return True
            at = gap_end
    return Point(at.boot, at.us + CONTINUITY_US) >= start
