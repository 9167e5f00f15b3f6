"""Which segment goes first, and until when each must be stored. Pure.

Marked evidence and what the agency granted priority before the rest, the earliest statutory deadline first (Hebei measures
art. 24: within 24 hours), then journal order.
"""

from __future__ import annotations

import math

from recorder.uplink.facts import DeadlineMoved, Fact, Granted, Marked, Segment, SessionStopped

STATUTORY_S = 24 * 3600.0
PRESSING_S = 2 * 3600.0
SKEW_S = 300.0
"""A clock may be put back by so much without a word."""


class Precedence:
    """``pressing_s``: with less time left a segment waits for no grant. ``wall_s`` everywhere: wall seconds, None when not
    known, and then nothing is taken for pressing or granted."""

    def __init__(self, pressing_s: float = PRESSING_S) -> None:
        self._pressing_s = pressing_s
        self.reset()

    def reset(self) -> None:
        """Another journal: nothing said before holds."""
        self._stopped: dict[str, float] = {}
        self._moved: dict[str, float | None] = {}
        self._in_field = False
        self._marked_segments: set[str] = set()
        self._marked_sessions: set[str] = set()
        self._granted_segments: dict[str, float] = {}
        self._granted_sessions: dict[str, float] = {}
        self._metered: dict[str, float] = {}
        """By session or segment id: until when it may also go over a metered line."""

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, SessionStopped):
            self._stopped[fact.session_id] = fact.at
            if self._in_field and fact.session_id not in self._moved:
                self._moved[fact.session_id] = None
        elif isinstance(fact, Marked):
            if fact.segment_ids:
                self._marked_segments.update(fact.segment_ids)
            else:
                self._marked_sessions.add(fact.session_id)
        elif isinstance(fact, Granted):
            for session_id in fact.sessions:
                self.granted(session_id, (), fact.until)
            self.granted("", fact.segments, fact.until)
            self._metered.update(dict.fromkeys((*fact.sessions, *fact.segments), fact.until if fact.metered else 0.0))
        elif isinstance(fact, DeadlineMoved):
            self._in_field = fact.returned_at is None
            # "returned" without a list ends every extension still running.
            open_ended = [key for key, returned in self._moved.items() if returned is None]
            for session_id in fact.sessions or open_ended:
                self._moved[session_id] = fact.returned_at

    def metered(self, segment: Segment, wall_s: float | None) -> bool:
        """The agency pays for a line by the byte for this one."""
        until = [self._metered.get(name, 0.0) for name in (segment.session_id, segment.segment_id)]
        return wall_s is not None and wall_s < max(until)

    def granted(self, session_id: str, segment_ids: tuple[str, ...], until: float) -> None:
        """The agency gives these segments, or the whole session when none is named, priority until wall second ``until``.
        A later word replaces an earlier one; 0 takes it back."""
        if segment_ids:
            self._granted_segments.update(dict.fromkeys(segment_ids, until))
        elif session_id:
            self._granted_sessions[session_id] = until

    # --- the answers -------------------------------------------------------------------------------------------------

    def marked(self, segment: Segment) -> bool:
        return segment.segment_id in self._marked_segments or segment.session_id in self._marked_sessions

    def deadline(self, segment: Segment) -> float:
        """Wall seconds by which the segment must be stored; infinite while an extension of art. 24 ¶2 lasts.

        While its session goes on the segment's own end counts: earlier than the law asks, never later.
        """
        if segment.session_id in self._moved:
            returned = self._moved[segment.session_id]
            return math.inf if returned is None else returned + STATUTORY_S
        return self._stopped.get(segment.session_id, segment.closed_at) + STATUTORY_S

    def due(self, segment: Segment, wall_s: float | None) -> float:
        """:meth:`deadline`, as far as it can be believed. What was closed, or brought back, in a time still to come was
        dated by a clock that was wrong then or is wrong now: how long it has waited nobody knows, so it is due now.
        Otherwise a clock a year ahead would hold evidence back for a year."""
        deadline = self.deadline(segment)
        if wall_s is None or math.isinf(deadline) or deadline <= wall_s + STATUTORY_S + SKEW_S:
            return deadline
        return wall_s

    def rank(self, segment: Segment, wall_s: float | None) -> tuple[bool, float, int]:
        """Smaller goes first."""
        return (not self.preferred(segment, wall_s), self.due(segment, wall_s), segment.seq)

    def first(self, segment: Segment, wall_s: float | None) -> bool:
        """It waits for nobody's grant: preferred, or little time is left."""
        return self.preferred(segment, wall_s) or self.pressing_in_s(segment, wall_s) <= 0

    def pressing_in_s(self, segment: Segment, wall_s: float | None) -> float:
        """Seconds until it presses; infinite when it never does."""
        return math.inf if wall_s is None else self.due(segment, wall_s) - self._pressing_s - wall_s

    def preferred(self, segment: Segment, wall_s: float | None) -> bool:
        """Marked, or given priority by the agency."""
        return self.marked(segment) or (wall_s is not None and wall_s < self._granted_until(segment))

    def _granted_until(self, segment: Segment) -> float:
        by_session = self._granted_sessions.get(segment.session_id, 0.0)
        return self._granted_segments.get(segment.segment_id, by_session)
