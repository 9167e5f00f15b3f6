"""An independent reader of a bench's journal: are sessions, gaps and times what promise 3 says?"""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.evidence import records as rec
from tests.session.rig import SECOND, Bench, Line

SEAM_US = 40_000

Span = tuple[int, int]


def shifts(bench: Bench) -> list[Span]:
    """True-time spans of the shifts; an open one ends with the last line."""
    spans: list[Span] = []
    begin: int | None = None
    for line in bench.lines:
        if isinstance(line.record, rec.ShiftStart):
            assert begin is None, "a shift inside a shift"
            begin = line.true_us
        elif isinstance(line.record, rec.ShiftEnd):
            assert begin is not None
            spans.append((begin, line.true_us))
            begin = None
    return spans if begin is None else [*spans, (begin, bench.lines[-1].true_us)]


@dataclass(slots=True)
class Account:
    """Spans of true time the journal speaks for, for one camera, by what it says of them."""

    standby: list[Span] = field(default_factory=list)
    down: list[Span] = field(default_factory=list)
    media: list[Span] = field(default_factory=list)
    gap: list[Span] = field(default_factory=list)
    sessions: dict[str, tuple[list[Span], list[Span]]] = field(default_factory=dict)
    """Session id → its media and its gaps."""

    def end_gap(self, begin: int, session_id: str, end: int) -> None:
        self.gap.append((begin, end))
        self.sessions.setdefault(session_id, ([], []))[1].append((begin, end))

    @property
    def everything(self) -> list[Span]:
        return sorted(self.standby + self.down + self.media + self.gap)


def account(bench: Bench, camera_id: str) -> Account:
    result = Account()
    starts: dict[str, int] = {}
    media: dict[str, Span] = {}
    owner: dict[str, str] = {}
    gaps: dict[str, tuple[int, str]] = {}
    for line in bench.lines:
        r = line.record

        def at(at_us: int, boot: str = line.boot) -> int:
            return bench.true_of(boot, at_us)

        if isinstance(r, rec.Standby):
            result.standby.append((at(r.from_us), at(r.to_us)))
        elif isinstance(r, rec.Event) and r.event == "unit-down":
            result.down.append((at(r.detail["from_us"], r.detail["from_bootseed"]), at(r.detail["to_us"])))
        elif isinstance(r, rec.SegmentOpen) and r.camera_id == camera_id:
            starts[r.segment_id] = at(r.media_start_us)
            owner[r.segment_id] = r.session_id
        elif isinstance(r, rec.Head) and r.segment_id in starts:
            media[r.segment_id] = starts[r.segment_id], at(r.entries[-1][4])
        elif isinstance(r, rec.Interruption) and r.camera_id == camera_id:
            gaps[r.gap_id] = at(r.from_us, r.from_bootseed), r.session_id
        elif isinstance(r, rec.Resumption) and r.camera_id == camera_id:
            result.end_gap(*gaps.pop(r.gap_id), at(r.to_us))
        elif isinstance(r, rec.SessionStop):
            for gap_id in [g for g, (_, session) in gaps.items() if session == r.session_id]:
                result.end_gap(*gaps.pop(gap_id), at(r.at_us))
    for begin, session_id in gaps.values():
        result.end_gap(begin, session_id, bench.lines[-1].true_us)
    for segment_id, span in media.items():
        result.media.append(span)
        result.sessions.setdefault(owner[segment_id], ([], []))[0].append(span)
    return result


def overlap(one: list[Span], other: list[Span]) -> int:
    """The longest common piece of any two spans, in microseconds."""
    return max((min(b, d) - max(a, c) for a, b in one for c, d in other), default=0)


def holes(bench: Bench, camera_id: str) -> list[Span]:
    """Spans of shift time nothing speaks for, longer than one frame at 25 fps."""
    found: list[Span] = []
    spans = account(bench, camera_id).everything
    for begin, end in shifts(bench):
        position = begin
        for start, stop in spans:
            if start > position + SEAM_US and position < end:
                found.append((position, min(start, end)))
            position = max(position, stop)
        if end > position + SEAM_US:
            found.append((position, end))
    return [(a, b) for a, b in found if b - a > SEAM_US]


def check_truth(bench: Bench, camera_id: str) -> None:
    """Nothing is said twice in contradiction: media is neither a gap nor down time; standby meets it by at most a GOP
    (live media begins at the keyframe before the press), or longer where another camera goes on."""
    spans = account(bench, camera_id)
    for media, gaps in spans.sessions.values():
        assert overlap(gaps, media) <= 0, "a gap over signed media"
    assert overlap(spans.down, spans.media) <= 0, "down while it recorded"
    assert overlap(spans.down, spans.standby) <= 0, "down while in standby"
    if len(bench.settings.cameras) == 1:
        assert overlap(spans.standby, spans.media) <= SECOND, "standby while recording"
        assert overlap(spans.standby, spans.gap) <= 0, "standby over a gap"


def check_order(bench: Bench) -> None:
    """Sessions never overlap, every gap ends once, nothing lies outside its session, files end as they began."""
    session: str | None = None
    ended: set[str] = set()
    gaps: dict[str, str] = {}
    done: set[str] = set()
    segments: dict[str, str] = {}
    for line in bench.lines:
        session = _step(line, session, ended, gaps, done, segments)


def _step(
    line: Line,
    session: str | None,
    ended: set[str],
    gaps: dict[str, str],
    done: set[str],
    segments: dict[str, str],
) -> str | None:
    r = line.record
    if isinstance(r, rec.SessionStart):
        assert session is None, "two sessions at once"
        return r.session_id
    if isinstance(r, rec.SessionStop):
        assert r.session_id == session, "the end of a session that does not run"
        ended.add(r.session_id)
        for gap_id in [g for g, owner in gaps.items() if owner == session]:
            done.add(gap_id)
            del gaps[gap_id]
        return None
    if isinstance(r, rec.Interruption):
        assert r.session_id == session, "a gap outside its session"
        assert r.gap_id not in gaps and r.gap_id not in done
        gaps[r.gap_id] = r.session_id
    elif isinstance(r, rec.Resumption):
        assert gaps.pop(r.gap_id) == session, "the end of a gap that is not open"
        assert r.duration_us >= 0
        assert r.segment_id in segments, "resumed by a segment nobody opened"
        done.add(r.gap_id)
    elif isinstance(r, rec.SegmentOpen):
        assert r.session_id == session or r.session_id in ended, "a segment before its session"
        assert r.segment_id not in segments
        segments[r.segment_id] = "open"
    elif isinstance(r, rec.Head):
        assert segments[r.segment_id] == "open", "an entry outside its segment"
    elif isinstance(r, rec.SegmentClose | rec.Recovery):
        assert r.segment_id is not None
        assert segments[r.segment_id] == "open", "a segment that ends twice"
        segments[r.segment_id] = "closed"
    elif isinstance(r, rec.Standby):
        assert r.from_us < r.to_us
    elif isinstance(r, rec.Mark):
        assert r.session_id == session
        assert all(segments[s] == "open" for s in r.segment_ids)
    return session
