"""What the start of the unit process owes to the time it was not running: explained gaps, or signed ``unit-down`` events.

``event`` ``unit-down``, ``detail``: ``from_us`` in boot ``from_bootseed``, ``to_us`` in the record's own boot,
``duration_us`` with its ``duration_basis`` (``boottime`` exact, ``wall`` a claim) and ``cause`` (that of a gap, or
``orderly-stop``). It says that the unit
was off or dead in a shift outside any recording, which neither ``standby`` (the unit was on) nor ``interruption`` (a
recording was cut) can say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from recorder.evidence.records import Event, InterruptionCause, Record, SessionStop
from recorder.faults.catalogue import cause_of
from recorder.session.camera_track import CameraTrack
from recorder.session.events import CameraBefore, Moment, OpenSession, Previous, UnitStarted

ORDERLY_STOP = "orderly-stop"
"""``cause`` of a ``unit-down`` behind a process that ended as it should: an update, a restart."""

_DETAILS: dict[InterruptionCause, str] = {
    "process-crash": "the unit process ended",
    "power-loss": "the unit lost power",
    "low-battery": "the unit lost power after the battery was nearly empty",
    "thermal": "the unit lost power after it was too hot",
}


class RestartSettings(Protocol):
    @property
    def cameras(self) -> tuple[str, ...]: ...

    @property
    def resume_open_recording(self) -> bool: ...

    @property
    def resume_within_us(self) -> int: ...


@dataclass(frozen=True, slots=True)
class RestartPlan:
    """``tracks`` of the session that goes on (its gaps already open), or None when none does."""

    records: tuple[Record, ...]
    tracks: dict[str, CameraTrack] | None


def as_cause(code: str) -> InterruptionCause | None:
    """A worker's fault code as the cause of a gap, where it can be one: a covered lens or a silent microphone stops no
    picture and must not take the blame for a crash."""
    return cause_of(code)


def plan(event: UnitStarted, now_us: int, settings: RestartSettings, new_id: Callable[[], str]) -> RestartPlan:
    """Decide what becomes of an open session and how the time since the journal's end is accounted for.

    Within a session that time is an interruption of each camera, resumed later or ended by ``session-stop``
    ``abandoned`` (also when the unit was off too long: what is recorded next day is another matter); without one, and in a
    shift, it is ``unit-down``.
    """
    previous = event.previous
    if previous is None:
        return RestartPlan((), None)
    session = previous.session
    if session is None:
        in_shift = previous.shift_id is not None
        return RestartPlan((_unit_down(previous.accounted, event, now_us),) if in_shift else (), None)
    records, tracks = _gaps(previous, session, event, new_id)
    wanted = settings.resume_open_recording and not _too_old(previous, session, event, settings.resume_within_us)
    if wanted and any(camera in settings.cameras for camera in session.cameras):
        return RestartPlan(tuple(records), tracks)
    stop = SessionStop(
        session_id=session.session_id, reason="abandoned", at_us=now_us, segment_count=session.segment_count
    )
    return RestartPlan((*records, stop), None)


def _cause(begin: Moment, event: UnitStarted) -> InterruptionCause:
    """What was wrong before says more than that the power went: an empty battery and an overheated unit end that way."""
    if begin.bootseed == event.bootseed:
        return "process-crash"
    before = () if event.previous is None else event.previous.open_faults
    if "battery-critical" in before:
        return "low-battery"
    return "thermal" if "over-temperature" in before else "power-loss"


def _too_old(previous: Previous, session: OpenSession, event: UnitStarted, within_us: int) -> bool:
    """Whether nothing of the session has been recorded for longer than ``within_us``, by its newest media. Within a boot
    exact, else as the wall clock claims, if anything stands behind it: a clock nobody vouches for must not end a recording
    (promise 1), and one that starts at its last known time claims too little anyway."""
    ends = [camera.media_end for camera in session.cameras.values() if camera.media_end is not None]
    for end in ends or [previous.accounted]:
        if end.bootseed == event.bootseed:
            old = event.at_us - end.at_us > within_us
        else:
            old = event.clock_vouched and event.wall_us - end.wall_us > within_us
        if not old:
            return False
    return True


def _covered(previous: Previous, camera: CameraBefore) -> Moment:
    """Up to where the journal speaks for this camera. Before its first media a session is still in standby, and that may be
    signed beyond the end of these media: of a file of which only the header was durable, say."""
    media, signed = camera.media_end, previous.accounted
    if media is None or (media.bootseed == signed.bootseed and media.at_us < signed.at_us):
        return signed
    return media


def _gaps(
    previous: Previous, session: OpenSession, event: UnitStarted, new_id: Callable[[], str]
) -> tuple[list[Record], dict[str, CameraTrack]]:
    """Every camera of the open session is interrupted, whether the session goes on or not."""
    records: list[Record] = []
    tracks: dict[str, CameraTrack] = {}
    for camera_id, before in session.cameras.items():
        track = CameraTrack(
            camera_id,
            session.session_id,
            event.bootseed,
            new_id,
            owed_us=event.at_us,
            next_index=before.next_index,
            last_segment_id=before.last_segment_id,
            gap=before.gap,
        )
        if track.gap is None:
            begin = _covered(previous, before)
            cause = _cause(begin, event)
            detail = _DETAILS[cause]
            records.append(track.open_gap(cause, detail, begin))
        tracks[camera_id] = track
    return records, tracks


def _unit_down(begin: Moment, event: UnitStarted, now_us: int) -> Event:
    same_boot = begin.bootseed == event.bootseed
    duration = now_us - begin.at_us if same_boot else event.wall_us - begin.wall_us
    return Event(
        event="unit-down",
        at_us=now_us,
        detail={
            "from_us": begin.at_us,
            "from_bootseed": begin.bootseed,
            "to_us": now_us,
            "duration_us": max(0, duration),
            "duration_basis": "boottime" if same_boot else "wall",
            "cause": ORDERLY_STOP if event.previous and event.previous.clean_end else _cause(begin, event),
        },
    )
