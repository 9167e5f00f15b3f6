"""The statutory clock of art. 24: recordings are stored at the agency within 24 hours of their completion.

第二十四条：音像记录完成后…应当在二十四小时内…储存；因连续执法、异地执法或者在边远、水上、交通不便地区执法，确实无法及时储存的，应当在返回所在
机关后二十四小时内予以储存。

Pure: what is owed and the time come as arguments. Time is boot-time and, between boots, what the wall clocks claim (see
:mod:`recorder.session.elapsed`), so neither a clock step nor a power cut moves a deadline. A declared field mode suspends
the clock of what is not overdue yet; ``returned`` starts it again, once for each session and never a second time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from recorder.session.elapsed import BootClocks
from recorder.session.events import Moment

LIMIT_US = 24 * 3_600_000_000
CONTINUOUS_US = 12 * 3_600_000_000
"""A longer recording is a continuous one (``[statutory] continuous_after_h`` may be another number on the unit)."""

FieldReason: TypeAlias = Literal["连续执法", "异地执法", "边远地区执法", "水上执法", "交通不便地区执法"]
FIELD_REASONS: tuple[FieldReason, ...] = get_args(FieldReason)
"""Exactly the five of art. 24 ¶2."""

Level: TypeAlias = Literal["running", "near", "urgent", "overdue", "suspended"]


@dataclass(frozen=True, slots=True)
class StatutoryRules:
    """``near_us``/``urgent_us``: time left at which the officer is warned (6 h and 1 h). ``per``: ``session`` counts from
    the completion of the session, ``segment`` from each segment's own end; a session longer than ``continuous_us`` counts
    by segment in any case: a recording that never ends would otherwise never be due. ``completion``: ``media`` is the last
    signed media, ``stop`` the end of the session's closing (the laxer reading)."""

    near_us: int = 6 * 3_600_000_000
    urgent_us: int = 3_600_000_000
    per: Literal["session", "segment"] = "session"
    completion: Literal["media", "stop"] = "media"
    continuous_us: int = CONTINUOUS_US


@dataclass(frozen=True, slots=True)
class OwedSession:
    """A session with segments the store has not receipted. ``segments``: how many; ``oldest_media``: where the media of
    the first of them end. ``completed_media``/``completed_stop``: None while it goes on. ``began``: its start."""

    session_id: str
    began: Moment
    segments: int
    oldest_media: Moment
    completed_media: Moment | None
    completed_stop: Moment | None


@dataclass(frozen=True, slots=True)
class FieldMode:
    """What the ``deadline-basis`` records add up to. ``reason``: declared and not yet returned. ``covered``: the sessions
    the open declaration speaks of (those that begin under it are covered without being named). ``returned``: sessions
    whose clock was started again, and from when."""

    reason: FieldReason | None = None
    since: Moment | None = None
    covered: frozenset[str] = frozenset()
    returned: tuple[tuple[str, Moment], ...] = ()


@dataclass(frozen=True, slots=True)
class Due:
    """``left_us``: until the deadline, negative when it has passed; None while suspended. ``proven``: no clock on the way
    was unset, so nothing had to be assumed."""

    session_id: str
    segments: int
    left_us: int | None
    level: Level
    proven: bool


def judge(
    owed: Iterable[OwedSession], mode: FieldMode, now: Moment, clocks: BootClocks, rules: StatutoryRules
) -> tuple[Due, ...]:
    """What is due when, the most pressing first. A session that goes on owes nothing yet, unless counted by segment."""
    returned = dict(mode.returned)
    found = []
    for session in owed:
        start = _start(session, now, clocks, rules)
        if start is None:
            continue
        if session.session_id in returned:
            again = returned[session.session_id]
            start = again if clocks.before(start, again) else start  # recorded on after the return: its own end counts
        elif _suspended(session, mode, clocks):
            found.append(Due(session.session_id, session.segments, None, "suspended", True))
            continue
        elapsed = clocks.elapsed(start, now)
        left = LIMIT_US - elapsed.us
        found.append(Due(session.session_id, session.segments, left, _level(left, rules), elapsed.proven))
    return tuple(sorted(found, key=lambda due: (due.left_us is None, due.left_us or 0, due.session_id)))


def _level(left_us: int, rules: StatutoryRules) -> Level:
    if left_us < 0:
        return "overdue"
    if left_us <= rules.urgent_us:
        return "urgent"
    return "near" if left_us <= rules.near_us else "running"


def _start(session: OwedSession, now: Moment, clocks: BootClocks, rules: StatutoryRules) -> Moment | None:
    """From when the 24 hours count; None when they do not count yet."""
    completed = session.completed_media if rules.completion == "media" else session.completed_stop
    end = completed or now
    by_segment = rules.per == "segment" or clocks.elapsed(session.began, end).us > rules.continuous_us
    return session.oldest_media if by_segment else completed


def _suspended(session: OwedSession, mode: FieldMode, clocks: BootClocks) -> bool:
    if mode.reason is None or mode.since is None:
        return False
    return session.session_id in mode.covered or not clocks.before(session.began, mode.since)


def coverable(
    owed: Sequence[OwedSession], mode: FieldMode, now: Moment, clocks: BootClocks, rules: StatutoryRules
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(sessions a declaration made now covers, sessions it comes too late for). What is overdue stays overdue: a basis
    declared afterwards would change the past. A session whose clock was started again once is not covered a second time."""
    used = {session_id for session_id, _ in mode.returned}
    dues = {due.session_id: due for due in judge(owed, mode, now, clocks, rules)}
    late = tuple(key for key, due in dues.items() if due.level == "overdue")
    covered = tuple(
        session.session_id for session in owed if session.session_id not in used and session.session_id not in late
    )
    return covered, late


class WarningBook:
    """Which warnings were given: each level once for each session, so that nobody is told a hundred times. Pure.

    ``given``: what the officer was told before this process (``evidence.warning_log``)."""

    RANK = ("running", "suspended", "near", "urgent", "overdue")

    def __init__(self, given: Mapping[str, Level] | None = None) -> None:
        self._given: dict[str, Level] = dict(given or {})

    def news(self, dues: Iterable[Due]) -> dict[Level, list[Due]]:
        """Sessions by the level they have newly reached (``near urgent overdue``)."""
        found: dict[Level, list[Due]] = {}
        present = set()
        for due in dues:
            present.add(due.session_id)
            before = self._given.get(due.session_id, "running")
            if due.level in ("running", "suspended"):
                self._given.pop(due.session_id, None)  # the return has started its clock again
            elif self.RANK.index(due.level) > self.RANK.index(before):
                self._given[due.session_id] = due.level
                found.setdefault(due.level, []).append(due)
        for session_id in self._given.keys() - present:
            del self._given[session_id]
        return found
