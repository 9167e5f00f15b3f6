"""The journal's end as the session machine wants to hear it."""

from __future__ import annotations

from recorder.evidence import carried
from recorder.evidence.state import JournalState
from recorder.session.events import CameraBefore, Moment, OpenGap, OpenSession, Previous


def previous_of(state: JournalState) -> Previous | None:
    """What ``UnitStarted.previous`` needs, from the state after recovery; None for a journal without any shift yet.

    A record alone does not account for the time before it: a ``mark`` or ``fault`` written seconds after the last standby
    interval says nothing about these seconds. So only standby, ``unit-down``, the end of a session and the start of the
    shift count here.
    """
    last, session = state.last, state.session
    moments = [state.quiet_until, state.shift.start if state.shift else None, session.at if session else None]
    known = [_moment(moment) for moment in moments if moment is not None]
    if last is None or not known:
        return None
    accounted = known[0]
    for moment in known[1:]:
        accounted = _later(accounted, moment, last.bootseed)
    return Previous(
        accounted=accounted,
        shift_id=state.shift.shift_id if state.shift else None,
        session=None if session is None else _session(state, session),
        open_faults=tuple(sorted({fault.code for fault in state.open_faults.values()})),
        next_mode=state.next_session.mode if state.next_session else None,
        next_matter=state.next_session.matter if state.next_session else None,
        clean_end=state.clean_end,
    )


def _session(state: JournalState, session: carried.OpenSession) -> OpenSession:
    gaps = {gap.camera_id: gap for gap in state.open_gaps.values() if gap.session_id == session.session_id}
    cameras: dict[str, CameraBefore] = {}
    for camera_id in session.cameras:
        end, gap = session.media_end.get(camera_id), gaps.get(camera_id)
        cameras[camera_id] = CameraBefore(
            next_index=session.next_index.get(camera_id, 0),
            media_end=None if end is None else _moment(end),
            last_segment_id=session.last_segment.get(camera_id),
            gap=None if gap is None else _gap(gap),
        )
    segments = sum(session.next_index.values())
    return OpenSession(session.session_id, segments, cameras, session.mode, session.matter)


def _gap(gap: carried.OpenGap) -> OpenGap:
    return OpenGap(gap.gap_id, Moment(gap.from_us, gap.from_bootseed, round(gap.from_wall * 1e6)))


def _moment(moment: carried.Moment) -> Moment:
    return Moment(moment.at_us, moment.bootseed, round(moment.wall * 1e6))


def _later(one: Moment, other: Moment, last_bootseed: str) -> Moment:
    """Exact within a boot; across boots the one of the newest boot, and only for want of that the wall clock's claim."""
    if one.bootseed == other.bootseed:
        return max(one, other, key=lambda moment: moment.at_us)
    for moment in (one, other):
        if moment.bootseed == last_bootseed:
            return moment
    return max(one, other, key=lambda moment: moment.wall_us)
