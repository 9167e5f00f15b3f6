"""What the unit's health needs of the past: the newest configuration, how soon the last session began, what duties know.

Pure bookkeeping. It sees every record; duties that know a number nobody else has (the statutory deadline, the battery's
forecast) leave it here.
"""

from __future__ import annotations

from dataclasses import dataclass

from recorder.evidence.records import Config, Head, Record, SegmentOpen, SessionStart


@dataclass(slots=True)
class HealthBook:
    """``*_us``: boot-time, except where the name says ``wall``. ``deadline_us``: when the earliest statutory deadline is
    over; ``overdue_sessions``: None before anybody has looked."""

    config_good: bool | None = None
    config_good_wall_us: int | None = None
    button_to_record_us: int | None = None
    deadline_us: int | None = None
    overdue_sessions: int | None = None
    battery_minutes: float | None = None
    _started: tuple[str, int] | None = None
    """(session, its start) until its first fragment is signed."""
    _segments: tuple[str, ...] = ()
    """Of that session, so far."""

    def observe(self, record: Record, now_us: int, wall_us: int) -> None:
        """Every record as it is written, ``now_us`` being the time of its writing."""
        match record:
            case Config(status=status):
                self.config_good = status == "applied"
                if self.config_good:
                    self.config_good_wall_us = wall_us
            case SessionStart(resumes=None):
                self._started, self._segments = (record.session_id, record.at_us), ()
            case SegmentOpen() if self._started is not None and record.session_id == self._started[0]:
                self._segments += (record.segment_id,)
            case Head() if self._started is not None and record.segment_id in self._segments:
                self.button_to_record_us = now_us - self._started[1]
                self._started = None

    def owed(self, deadline_us: int | None, overdue: int) -> None:
        """What art. 24 asks for: boot-time of the earliest deadline, None when none runs; recordings past theirs."""
        self.deadline_us, self.overdue_sessions = deadline_us, overdue
