"""The ledger's shifts as timelines, and what in them nobody explained or signed for."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from recorder.evidence import formatting
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.report import GapReport, LineReport, ShiftReport, StretchReport
from recorder.evidence.verify.state import At, Gap, Ledger, Segment, Session
from recorder.evidence.verify.timeline import (
    BootSpan,
    Line,
    Media,
    Point,
    Ruler,
    Span,
    holes,
    lay_out,
)

NO_CAMERA = "-"
"""Stands for the camera in a shift without any recording."""


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of time that has to be accounted for: a shift, or a session outside any."""

    name: str
    start: Point
    end: Point
    open_end: bool


def account(
    ledger: Ledger, findings: Findings
) -> tuple[tuple[ShiftReport, ...], tuple[GapReport, ...], dict[str, int]]:
    """Shift timelines, gaps, and totals in µs; adds the findings of the completeness axis."""
    gaps = tuple(_judge_gap(ledger, gap, findings) for gap in ledger.gaps.values())
    _find_holes(ledger, findings)
    boots = [BootSpan(boot.first_us, boot.last_us, boot.first_iat, boot.last_iat) for boot in ledger.boots]
    totals: Counter[str] = Counter()
    spans = _Spans(ledger)
    reports = []
    for window in _windows(ledger):
        report = _shift(ledger, boots, spans, window, findings)
        for index, line in enumerate(report.lines):
            for kind, us in line.totals_us.items():
                if index == 0 or kind not in ("standby", "off"):
                    totals[kind] += us
        reports.append(report)
    return tuple(reports), gaps, dict(totals)


def _point(at: At) -> Point:
    return Point(at.boot, at.us)


def _end_of_journal(ledger: Ledger) -> Point:
    last = len(ledger.boots) - 1
    return Point(last, ledger.boots[last].last_us)


def _windows(ledger: Ledger) -> list[_Window]:
    if not ledger.boots:
        return []
    end = _end_of_journal(ledger)
    windows = [
        _Window(shift.shift_id, _point(shift.start), _point(shift.end) if shift.end else end, shift.end is None)
        for shift in ledger.shifts
    ]
    windows += [
        _Window(
            session.session_id, _point(session.start), _point(session.stop) if session.stop else end, not session.stop
        )
        for session in ledger.sessions.values()
        if session.shift_id is None
    ]
    return windows


class _Spans:
    """Signed intervals of the whole journal, sorted by start, so that each shift takes only its own."""

    def __init__(self, ledger: Ledger) -> None:
        self._common = [
            Span(interval.kind, _point(interval.start), _point(interval.end)) for interval in ledger.intervals
        ]
        self._by_camera: dict[str, list[Span]] = defaultdict(list)
        for segment in ledger.segments.values():
            if segment.role != "orphan":
                start, end = Point(segment.boot, segment.start_us), Point(segment.boot, segment.end_us)
                self._by_camera[segment.camera_id].append(Span("recorded", start, end, segment.segment_id))
        end_of_all = _end_of_journal(ledger) if ledger.boots else Point(0, 0)
        for gap in ledger.gaps.values():
            end = _point(gap.end) if gap.end else end_of_all
            self._by_camera[gap.camera_id].append(Span("gap", _point(gap.start), end, gap.gap_id))
        self._sessions = list(ledger.sessions.values())
        self._end = end_of_all

    def cameras(self, window: _Window) -> list[str]:
        found: set[str] = set()
        for session in self._sessions:
            if _point(session.start) < window.end and self._session_end(session) > window.start:
                found.update(session.cameras)
        return sorted(found) or [NO_CAMERA]

    def of(self, window: _Window, camera_id: str) -> list[Span]:
        spans = [*self._common, *self._by_camera.get(camera_id, ())]
        # A session that does not list this camera owes nothing for it: its start says so, signed.
        spans += [
            Span("idle", _point(session.start), self._session_end(session))
            for session in self._sessions
            if camera_id not in session.cameras
        ]
        return [span for span in spans if span.start < window.end and span.end > window.start]

    def _session_end(self, session: Session) -> Point:
        return _point(session.stop) if session.stop else self._end


def _shift(ledger: Ledger, boots: list[BootSpan], spans: _Spans, window: _Window, findings: Findings) -> ShiftReport:
    ruler = Ruler(boots, window.start, window.end)
    start_wall = ledger.at(At(window.start.boot, window.start.us))
    end_wall = ledger.at(At(window.end.boot, window.end.us))
    lines = []
    for camera_id in spans.cameras(window):
        line = lay_out(ruler, spans.of(window, camera_id), open_end=window.open_end)
        for stretch in line.stretches:
            if stretch.kind == "unaccounted":
                begin, end = ruler.point(stretch.start_us), ruler.point(stretch.end_us)
                findings.add(
                    "time-unaccounted",
                    f"shift {window.name}",
                    shift=window.name,
                    camera=camera_id,
                    times=_times(ledger, begin, end),
                    length=formatting.length(stretch.length_us),
                )
        lines.append(LineReport(camera_id, _stretches(line), _totals(line)))
    if window.open_end:
        findings.add("shift-open", f"shift {window.name}", shift=window.name, times=formatting.wall(end_wall))
    return ShiftReport(window.name, start_wall, end_wall, not window.open_end, ruler.length_us, tuple(lines))


def _stretches(line: Line) -> tuple[StretchReport, ...]:
    return tuple(StretchReport(s.kind, s.start_us, s.end_us, s.ref) for s in line.stretches)


def _totals(line: Line) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for stretch in line.stretches:
        totals[stretch.kind] += stretch.length_us
    totals["overlap"] = line.overlap_us
    return dict(totals)


def _times(ledger: Ledger, start: Point, end: Point) -> str:
    begin = formatting.wall(ledger.at(At(start.boot, start.us)))
    return f"{begin} – {formatting.wall(ledger.at(At(end.boot, end.us)))}"


# --- gaps ------------------------------------------------------------------------------------------------------------


_STATED = ("书面说明", "in writing")
_CONFIRMED = {
    "button": ("语音说明，按键确认", "spoken, confirmed by the button"),
    "speech": ("语音说明，仅检测到语音", "spoken, speech detected only"),
}
_DETECTED = ("（检测到语音，未经按键确认，不计）", " (speech was detected; nobody confirmed it, so it does not count)")
_OPEN = ("，也没有恢复", " and without resuming")


def _judge_gap(ledger: Ledger, gap: Gap, findings: Findings) -> GapReport:
    """Art. 23: resumed needs a spoken explanation; not resumed needs a written statement by two officers."""
    length = gap.duration_us
    if length is None and gap.end is not None:
        same = gap.start.boot == gap.end.boot
        claim = ledger.at(gap.end) - ledger.at(gap.start)
        length = gap.end.us - gap.start.us if same else max(0, round(claim * 1e6))
    start = ledger.at(gap.start)
    fields = {
        "camera": gap.camera_id,
        "length": formatting.length(length) if length is not None else "?",
        "times": formatting.wall(start),
        "cause": gap.cause,
    }
    subject = f"gap {gap.gap_id}"
    explained = gap.stated or (gap.resumed and gap.explained)
    session = ledger.sessions.get(gap.session_id)
    over = session is not None and session.stop is not None
    if explained:
        how = _STATED if gap.stated else _CONFIRMED[gap.confirmed or "button"]
        findings.add("gap-explained", subject, **fields, how_zh=how[0], how_en=how[1])
    elif not gap.resumed and (over or gap.declared):
        findings.add("statement-owed", subject, **fields)
    else:
        why = _DETECTED if gap.resumed and gap.speech_us else ("", "") if gap.resumed else _OPEN
        findings.add("gap-unexplained", subject, **fields, why_zh=why[0], why_en=why[1])
    return GapReport(
        gap.gap_id,
        gap.session_id,
        gap.camera_id,
        gap.cause,
        start,
        length,
        gap.basis,
        gap.resumed,
        explained,
        gap.confirmed,
        gap.explained,
        gap.speech_us,
        gap.legal_cause,
        gap.stated,
    )


def _find_holes(ledger: Ledger, findings: Findings) -> None:
    """Adjacent live media of a session must be contiguous unless an interruption says otherwise."""
    media: dict[tuple[str, str], list[Media]] = defaultdict(list)
    for segment in ledger.segments.values():
        # A file of which only the header is signed holds no media: it ends no gap and begins none (docs/formats.md,
        # resumption). A disk that refuses leaves many, before the press, within a gap, or behind the stop.
        if segment.role in ("live", "postroll") and segment.end_us > segment.start_us:
            media[segment.session_id, segment.camera_id].append(_media(segment))
    gaps: dict[tuple[str, str], list[tuple[Point, Point | None]]] = defaultdict(list)
    for gap in ledger.gaps.values():
        gaps[gap.session_id, gap.camera_id].append((_point(gap.start), _point(gap.end) if gap.end else None))
    standby = sorted((_point(i.start), _point(i.end)) for i in ledger.intervals if i.kind == "standby")
    for key, pieces in media.items():
        session = ledger.sessions.get(key[0])
        since = None if session is None else _owed_since(session, min(piece.start for piece in pieces), standby)
        until = None if session is None or session.stop is None else _point(session.stop)
        for hole in holes(pieces, gaps.get(key, ()), since, until):
            same = hole.start.boot == hole.end.boot
            lack = (hole.end.us - hole.start.us) / 1e6 if same else _wall_between(ledger, hole.start, hole.end)
            findings.add(
                "gap-unrecorded",
                f"segment {hole.after}",
                camera=key[1],
                before=hole.before,
                after=hole.after,
                length=formatting.length(lack * 1e6),
            )


def _owed_since(session: Session, first: Point, standby: Sequence[tuple[Point, Point]]) -> Point:
    """From where on a session owes media of a camera of which the ``first`` begin there.

    Live media begins a moment before the press (at a keyframe), but is owed only from the session's start on; and until
    the first media are reported a recording is signed as standby, which by then may reach beyond their start. A worker
    killed within that moment ends before it, and its interruption begins where standby ends."""
    start = _point(session.start)
    at = bisect_right(standby, first, key=lambda span: span[0]) - 1
    return max(start, standby[at][1]) if at >= 0 and standby[at][1] > first else start


def _wall_between(ledger: Ledger, start: Point, end: Point) -> float:
    return max(0.0, ledger.at(At(end.boot, end.us)) - ledger.at(At(start.boot, start.us)))


def _media(segment: Segment) -> Media:
    return Media(segment.segment_id, Point(segment.boot, segment.start_us), Point(segment.boot, segment.end_us))
