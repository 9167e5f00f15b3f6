"""Statistics of art. 28: hours on shift, recorded, standby, gaps, faults, stores, per shift and per day. Pure.

Recomputable from the journal alone (docs/formats.md §11 says how). Durations are boot-time; wall times serve only to cut a
shift at midnight (+08:00) and to hold the store's times against the 24 hours of art. 24.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from recorder.evidence.formatting import BEIJING
from recorder.evidence.verify.timeline import BootSpan, Point, Ruler, Span, lay_out
from recorder.export.facts import JournalFacts, SegmentFacts, SessionFacts
from recorder.session.elapsed import BootClock, BootClocks
from recorder.session.events import Moment
from recorder.session.statutory import CONTINUOUS_US, LIMIT_US

DAY_US = 86_400_000_000
EAST_8_US = 8 * 3_600_000_000
STORES = ("in_time", "late", "owed", "overdue", "suspended")
KINDS = ("recorded", "gap", "standby", "off", "seam", "pending", "unaccounted")
"""What time on shift is made of, as the verifier says it (``verify.timeline``): recorded while any camera records."""

CHECKLIST = "art22-"
"""Marks of these kinds are the six points of art. 22."""
CHECKLIST_POINTS = 6

By = Literal["shift", "day"]
Piece = tuple[int, int]
"""µs from a window's beginning, from and to."""


@dataclass(frozen=True, slots=True)
class Window:
    """Time to account for: a shift, or a recording outside any."""

    shift_id: str | None
    session_id: str | None
    start: Point
    end: Point
    ended: bool


@dataclass(slots=True)
class _Row:
    """What one row of the summary takes in: pieces of windows."""

    key: dict[str, Any]
    pieces: list[tuple[int, Piece]] = field(default_factory=list)
    """(number of the window, piece)."""
    ended: bool = True


def summarise(facts: JournalFacts, by: By) -> dict[str, Any]:
    """The summary as JSON values: times in seconds (0.001), shares 0 … 1 or null for nothing to share."""
    return {
        "ver": 1,
        "by": by,
        "unit_id": facts.unit_id,
        "journal": {
            "journal_id": facts.journal_id,
            "records": facts.records,
            "first_seq": facts.first_seq,
            "last_seq": facts.last_seq,
            "last_digest": facts.last_digest,
        },
        "rows": _Summary(facts).rows(by) if facts.boots else [],
    }


class _Summary:
    def __init__(self, facts: JournalFacts) -> None:
        self._facts = facts
        boots = [
            BootSpan(boot.first_us, boot.last_us, boot.wall_us(boot.first_us) / 1e6, boot.wall_us(boot.last_us) / 1e6)
            for boot in facts.boots
        ]
        self._windows = list(_windows(facts))
        self._rulers = [Ruler(boots, window.start, window.end) for window in self._windows]
        self._lines = [
            lay_out(ruler, _spans(facts, window), open_end=not window.ended)
            for window, ruler in zip(self._windows, self._rulers, strict=True)
        ]

    def rows(self, by: By) -> list[dict[str, Any]]:
        return [self._row(row) for row in (self._by_shift() if by == "shift" else self._by_day())]

    def _by_shift(self) -> list[_Row]:
        rows = []
        for number, (window, ruler) in enumerate(zip(self._windows, self._rulers, strict=True)):
            key = {
                "shift_id": window.shift_id,
                "session_id": window.session_id,
                "start": _iso(self._facts.wall_us(window.start)),
                "end": _iso(self._facts.wall_us(window.end)),
            }
            rows.append(_Row(key, [(number, (0, ruler.length_us))], window.ended))
        return rows

    def _by_day(self) -> list[_Row]:
        rows: dict[str, _Row] = {}
        for number, (window, ruler) in enumerate(zip(self._windows, self._rulers, strict=True)):
            for day, piece in _days(self._facts, window, ruler):
                row = rows.setdefault(day, _Row({"day": day}))
                row.pieces.append((number, piece))
                row.ended = row.ended and window.ended
        return [rows[day] for day in sorted(rows)]

    # --- one row ---

    def _row(self, row: _Row) -> dict[str, Any]:
        facts = self._facts
        sessions = [session for session in facts.sessions.values() if self._holds(row, session.start)]
        times = self._times(row)
        return {
            **row.key,
            "ended": row.ended,
            "on_shift_s": _seconds(sum(end - start for _, (start, end) in row.pieces)),
            **{f"{kind}_s": _seconds(times[kind]) for kind in KINDS},
            "sessions": len(sessions),
            "officers": self._officers(row),
            "gaps": self._gaps(row),
            "faults": self._faults(row),
            "gnss": self._gnss(row),
            "stores": _stores(facts, sessions),
            "marks": self._marks(row, sessions),
        }

    def _times(self, row: _Row) -> Counter[str]:
        times: Counter[str] = Counter()
        for number, piece in row.pieces:
            for stretch in self._lines[number].stretches:
                times[stretch.kind] += _overlap(piece, (stretch.start_us, stretch.end_us))
        return times

    def _holds(self, row: _Row, at: Point) -> bool:
        """Whether the moment belongs to the row; a cut at midnight belongs to the new day."""
        for number, (start, end) in row.pieces:
            window, ruler = self._windows[number], self._rulers[number]
            position = ruler.position(at)
            last = end == ruler.length_us
            if (
                window.start <= at <= window.end
                and start <= position
                and (position < end or (last and position == end))
            ):
                return True
        return False

    def _share(self, row: _Row, start: Point, end: Point) -> int:
        """µs of the row between two moments."""
        total = 0
        for number, piece in row.pieces:
            window, ruler = self._windows[number], self._rulers[number]
            if start < window.end and end > window.start:
                total += _overlap(piece, (ruler.position(start), ruler.position(end)))
        return total

    def _officers(self, row: _Row) -> int:
        end = self._facts.end
        return len(
            {
                stay.officer_ref
                for stay in self._facts.stays
                if self._holds(row, stay.start) or self._share(row, stay.start, stay.end or end)
            }
        )

    def _gaps(self, row: _Row) -> dict[str, Any]:
        end = self._facts.end
        causes: dict[str, dict[str, Any]] = {}
        lengths: Counter[str] = Counter()
        begun = []
        for gap in self._facts.gaps.values():
            length = self._share(row, gap.start, gap.end or end)
            here = self._holds(row, gap.start)
            if here or length:
                causes.setdefault(gap.cause, {"count": 0, "seconds": 0.0})["count"] += here
                lengths[gap.cause] += length
            if here:
                begun.append(gap)
        for cause, numbers in causes.items():
            numbers["seconds"] = _seconds(lengths[cause])
        explained = sum(gap.explained for gap in begun)
        return {
            "count": len(begun),
            "seconds": _seconds(sum(lengths.values())),
            "by_cause": dict(sorted(causes.items())),
            "resumed": sum(gap.resumed for gap in begun),
            "explained": explained,
            "explained_share": _ratio(explained, len(begun)),
            "statements_owed": sum(gap.owes_statement for gap in begun),
            "statements_signed": sum(gap.stated for gap in begun),
        }

    def _faults(self, row: _Row) -> dict[str, Any]:
        """By code. A fault without an end, or with one in another boot, lasts to the last record of its boot."""
        counts: Counter[str] = Counter()
        open_: Counter[str] = Counter()
        lengths: Counter[str] = Counter()
        for fault in self._facts.faults.values():
            same = fault.end is not None and fault.end.boot == fault.start.boot
            last = Point(fault.start.boot, self._facts.boots[fault.start.boot].last_us)
            end = fault.end if same and fault.end is not None else last
            counts[fault.code] += self._holds(row, fault.start)
            open_[fault.code] += self._holds(row, fault.start) and fault.end is None
            lengths[fault.code] += self._share(row, fault.start, end)
        return {
            code: {"count": counts[code], "seconds": _seconds(lengths[code]), "open": open_[code]}
            for code in sorted(counts)
            if counts[code] or lengths[code]
        }

    def _gnss(self, row: _Row) -> dict[str, Any]:
        closed = [
            segment
            for segment in self._facts.segments.values()
            if segment.fix_seconds is not None and self._holds(row, segment.start)
        ]
        fixes = sum(segment.fix_seconds or 0 for segment in closed)
        media = sum(segment.end.us - segment.start.us for segment in closed)
        share = _ratio(fixes * 1e6, media)
        return {
            "fix_s": fixes,
            "media_s": _seconds(media),
            "coverage": None if share is None else min(1.0, share),
        }

    def _marks(self, row: _Row, sessions: list[SessionFacts]) -> dict[str, Any]:
        here = Counter(kind for _, kind, at in self._facts.marks if self._holds(row, at))
        points: dict[str, set[str]] = defaultdict(set)
        for session_id, kind, _ in self._facts.marks:
            if kind.startswith(CHECKLIST):
                points[session_id].add(kind)
        covered = sum(min(CHECKLIST_POINTS, len(points[session.session_id])) for session in sessions)
        return {
            "count": sum(here.values()),
            "by_kind": dict(sorted(here.items())),
            "checklist_covered": covered,
            "checklist_of": CHECKLIST_POINTS * len(sessions),
            "checklist_share": _ratio(covered, CHECKLIST_POINTS * len(sessions)),
        }


# --- time ------------------------------------------------------------------------------------------------------------


def _windows(facts: JournalFacts) -> Iterator[Window]:
    for shift in facts.shifts:
        yield Window(shift.shift_id, None, shift.start, shift.end or facts.end, shift.end is not None)
    for session in facts.sessions.values():
        if session.shift_id is None:
            yield Window(None, session.session_id, session.start, session.stop or facts.end, session.stop is not None)


def _spans(facts: JournalFacts, window: Window) -> list[Span]:
    end = facts.end
    spans = [Span("recorded", segment.start, segment.end, segment.segment_id) for segment in facts.segments.values()]
    spans += [Span("gap", gap.start, gap.end or end, gap.gap_id) for gap in facts.gaps.values()]
    spans += [Span("standby", start, to) for start, to in facts.standby]
    spans += [Span("off", start, to) for start, to in facts.off]
    return [span for span in spans if span.start < window.end and span.end > window.start]


def _days(facts: JournalFacts, window: Window, ruler: Ruler) -> Iterator[tuple[str, Piece]]:
    """The window cut at each midnight of +08:00, by the boots' wall clocks; between two boots by the earlier one's."""
    first, last = window.start.boot, window.end.boot
    for boot in range(first, last + 1):
        span = facts.boots[boot]
        low = window.start.us if boot == first else span.first_us
        high = max(low, window.end.us if boot == last else span.last_us)
        begin, end = ruler.position(Point(boot, low)), ruler.position(Point(boot, high))
        yield from _cut(begin, end, span.wall_us(low))
        if boot < last:
            following = ruler.position(Point(boot + 1, facts.boots[boot + 1].first_us))
            yield from _cut(end, following, span.wall_us(high))


def _cut(start: int, end: int, wall_us: int) -> Iterator[tuple[str, Piece]]:
    """Positions ``start`` to ``end``, where ``start`` is at ``wall_us``, in pieces of one day each."""
    while start < end:
        day = (wall_us + EAST_8_US) // DAY_US
        midnight = (day + 1) * DAY_US - EAST_8_US
        stop = min(end, start + midnight - wall_us)
        yield str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date()), (start, stop)
        start, wall_us = stop, midnight


def _overlap(one: Piece, other: Piece) -> int:
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


# --- storing within 24 hours -----------------------------------------------------------------------------------------


def _stores(facts: JournalFacts, sessions: Iterable[SessionFacts]) -> dict[str, int]:
    """Recordings with media by what became of them: ``late`` was stored after its time; ``overdue`` is not stored and its
    time is over at the journal's end, ``owed`` has time left; ``suspended`` waits for the return of art. 24 ¶2.

    The rules are those of ``session.statutory`` and of the verifier, on what the receipts in the journal say: a recording
    of more than 12 hours, ended or not, is counted by segment, each from its own end, and the worst speaks for it; a
    shorter one that goes on owes nothing yet."""
    clocks = BootClocks(BootClock(boot.bootseed, boot.first_us, boot.last_us, boot.offset_us) for boot in facts.boots)
    found = dict.fromkeys(STORES, 0)
    by_session: dict[str, list[SegmentFacts]] = defaultdict(list)
    for segment in facts.segments.values():
        if segment.size:  # closed or recovered, and something in it
            by_session[segment.session_id].append(segment)
    for session in sessions:
        verdicts = [
            _store(facts, clocks, session, together)
            for together in _counted(facts, clocks, session, by_session[session.session_id])
        ]
        if verdicts:
            found[max(verdicts, key=_WORSE.index)] += 1
    return found


_WORSE = ("in_time", "suspended", "owed", "late", "overdue")
"""Each is worse than the one before, as the verifier has it."""


def _counted(
    facts: JournalFacts, clocks: BootClocks, session: SessionFacts, segments: list[SegmentFacts]
) -> list[list[SegmentFacts]]:
    """What is counted together; nothing for a recording without media, or one that goes on and is no continuous one."""
    if not segments:
        return []
    end = facts.end if session.stop is None else max(segment.end for segment in segments)
    if clocks.elapsed(_moment(facts, session.start), _moment(facts, end)).us > CONTINUOUS_US:
        return [[segment] for segment in segments]
    return [] if session.stop is None else [segments]


def _store(facts: JournalFacts, clocks: BootClocks, session: SessionFacts, segments: list[SegmentFacts]) -> str:
    start = max(segment.end for segment in segments)
    returned, named, suspended = _basis(facts, session)
    if returned is not None and named and start < returned:
        start = returned
    times = [facts.stored_at.get(segment.segment_id) for segment in segments]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        if suspended:
            return "suspended"
        elapsed = clocks.elapsed(_moment(facts, start), _moment(facts, facts.end))
        return "overdue" if elapsed.us > LIMIT_US else "owed"
    if returned is not None and not named and max(known) <= facts.wall_us(returned) / 1e6:
        return "in_time"  # stored from where it was, while its hours did not run
    late = max(known) - facts.wall_us(start) / 1e6 > LIMIT_US / 1e6
    return "late" if late and not suspended else "in_time"


def _basis(facts: JournalFacts, session: SessionFacts) -> tuple[Point | None, bool, bool]:
    """(the return from the declaration that covers it, whether that names the session and so starts its 24 hours again,
    whether a declaration suspends them still). A declaration covers the sessions it names and those that begin before the
    return from it."""
    declared = False
    for at, basis in facts.bases:
        named = session.session_id in basis.sessions
        if basis.basis == "returned":
            if declared:
                return at, named, False
        elif not declared:
            ends = (back for back, other in facts.bases if other.basis == "returned" and back >= at)
            began_under = session.start >= at and session.start < next(ends, Point(len(facts.boots), 0))
            declared = named or began_under
    return None, False, declared


def _moment(facts: JournalFacts, at: Point) -> Moment:
    return Moment(at.us, facts.boots[at.boot].bootseed, facts.wall_us(at))


# --- values ----------------------------------------------------------------------------------------------------------


def _seconds(us: int) -> float:
    return round(us / 1e6, 3)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def _iso(wall_us: int) -> str:
    return datetime.fromtimestamp(wall_us // 1_000_000, UTC).astimezone(BEIJING).isoformat()


# --- CSV -------------------------------------------------------------------------------------------------------------

_Column = tuple[str, Callable[[dict[str, Any]], Any]]


def table(summary: dict[str, Any]) -> list[list[str]]:
    """The rows as a table with a heading: one line per shift or day, causes and fault codes in columns of their own."""
    rows = summary["rows"]
    columns: list[_Column] = [
        ("日期 day", lambda row: row["day"])
        if summary["by"] == "day"
        else ("班次 shift", lambda row: row["shift_id"] or row["session_id"])
    ]
    if summary["by"] == "shift":
        columns += [("开始 start", lambda row: row["start"]), ("结束 end", lambda row: row["end"])]
    columns += [
        ("当班秒 on_shift_s", lambda row: row["on_shift_s"]),
        *((f"{_KIND_ZH[kind]}秒 {kind}_s", _get(f"{kind}_s")) for kind in KINDS),
        ("录制数 sessions", _get("sessions")),
        ("执法人员数 officers", _get("officers")),
        ("中断数 gaps", _get("gaps", "count")),
        ("中断秒 gaps_s", _get("gaps", "seconds")),
        ("已说明比例 explained_share", _get("gaps", "explained_share")),
        ("欠书面说明 statements_owed", _get("gaps", "statements_owed")),
        ("已签书面说明 statements_signed", _get("gaps", "statements_signed")),
        ("定位覆盖 gnss_coverage", _get("gnss", "coverage")),
        *((f"{_STORE_ZH[kind]} store_{kind}", _get("stores", kind)) for kind in _STORE_ZH),
        ("标记数 marks", _get("marks", "count")),
        ("第二十二条要点覆盖 checklist_share", _get("marks", "checklist_share")),
    ]
    for cause in sorted({cause for row in rows for cause in row["gaps"]["by_cause"]}):
        columns.append((f"中断秒 gap_s:{cause}", _get("gaps", "by_cause", cause, "seconds")))
    for code in sorted({code for row in rows for code in row["faults"]}):
        columns.append((f"故障次 fault:{code}", _get("faults", code, "count")))
        columns.append((f"故障秒 fault_s:{code}", _get("faults", code, "seconds")))
    body = [["" if (value := read(row)) is None else str(value) for _, read in columns] for row in rows]
    return [[name for name, _ in columns], *body]


_KIND_ZH = {
    "recorded": "录制",
    "gap": "中断",
    "standby": "待机",
    "off": "停机",
    "seam": "接缝",
    "pending": "未结束",
    "unaccounted": "无人签名",
}
_STORE_ZH = {
    "in_time": "按时储存",
    "late": "逾期储存",
    "owed": "待储存",
    "overdue": "逾期未储存",
    "suspended": "待返回",
}


def _get(*path: str) -> Callable[[dict[str, Any]], Any]:
    def read(row: dict[str, Any]) -> Any:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        return value

    return read
