"""One camera's time line within one session: what its media covers and where it does not (中断 and 恢复, art. 23).

Only ``live`` and ``postroll`` segments cover session time; pre-roll lies before the session and is an extra. A gap begins
where the durable media ends and ends where the next durable media begins, whatever segments were opened and given up in
between.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recorder.channel import messages
from recorder.evidence.records import Interruption, InterruptionCause, Record, Resumption
from recorder.session.events import Moment, OpenGap

SEAM_US = 40_000
"""Longest pause between adjacent segments that is no gap: one frame at 25 fps (GA/T 947, 最大记录间隔 ≤ 0.04 s)."""

_CAUSE_OF_CLOSE: dict[str, InterruptionCause] = {"camera-fault": "camera-fault", "overflow": "buffer-overflow"}


@dataclass(frozen=True, slots=True)
class _Beginning:
    """A segment that was opened and has no durable media yet. ``wall_us``: the wall clock's claim for its start; ``fault``:
    what was wrong when it, or one given up before it, was opened."""

    segment_id: str
    start_us: int
    wall_us: int
    fault: InterruptionCause | None


@dataclass(slots=True)
class CameraTrack:
    """``owed_us``: from here on the session owes media of this camera (boot-time of the current boot). ``end_us``: where
    its durable media ends, ``last_segment_id`` the segment it ends in; None while there is none in this boot."""

    camera_id: str
    session_id: str
    bootseed: str
    new_id: Callable[[], str]
    owed_us: int
    next_index: int = 0
    last_segment_id: str | None = None
    end_us: int | None = None
    gap: OpenGap | None = None
    fault: InterruptionCause | None = None
    started: bool = False
    """A segment was opened in this boot."""
    _newest_id: str | None = None
    _beginning: _Beginning | None = None

    @property
    def covered_until_us(self) -> int:
        """End of the last durable media, but never before the session began to owe media."""
        return max(self.owed_us, self.end_us or 0)

    def opened(self, message: messages.Opened, at_us: int, wall_us: int) -> None:
        """Take in a new segment. It covers nothing yet: a disk that refuses may take the file and none of its media, one
        after the other. What is lost of it is only known when :meth:`durable` hears of the first media."""
        self.next_index = max(self.next_index, message.segment_index + 1)
        if message.role == "preroll":
            return
        start = message.media_start_us
        given_up = self._beginning.fault if self._beginning is not None else None
        self._beginning = _Beginning(message.segment_id, start, wall_us - (at_us - start), given_up or self.fault)
        self._newest_id = message.segment_id
        self.started = True

    def settles(self, segment_id: str, media_end_us: int) -> bool:
        """Media of ``segment_id`` up to there would end a gap: the sooner it is signed, the sooner that is on record."""
        beginning = self._begun(segment_id, media_end_us)
        return beginning is not None and (self.gap is not None or self._lacks(beginning.start_us))

    def durable(self, segment_id: str, media_end_us: int) -> list[Record]:
        """An entry of ``segment_id`` is durable; media of other segments (pre-roll) is ignored. Returns what its first
        media shows: that the recording has resumed, or that some was lost before it. These records belong before the
        ``head`` that signs the entry: a power cut between them leaves no media behind a hole nobody names."""
        records: list[Record] = []
        beginning = self._begun(segment_id, media_end_us)
        if beginning is not None:
            self._beginning = None
            if self.gap is not None:
                records.append(self._resume(self.gap, segment_id, beginning.start_us, beginning.wall_us))
            elif self._lacks(beginning.start_us):
                records += self._hole(beginning)
            self.last_segment_id = segment_id
        if segment_id == self.last_segment_id:
            self.end_us = max(self.end_us or 0, media_end_us)
        return records

    def _begun(self, segment_id: str, media_end_us: int) -> _Beginning | None:
        """The segment whose first media this is; its first entry holds none."""
        beginning = self._beginning
        if beginning is None or beginning.segment_id != segment_id or media_end_us <= beginning.start_us:
            return None
        return beginning

    def _lacks(self, start_us: int) -> bool:
        return start_us - self.covered_until_us > SEAM_US

    def closed(self, message: messages.Closed, stopping: bool) -> list[Record]:
        """A segment ended. Returns the gaps that show only now."""
        records = self.durable(message.segment_id, message.media_end_us)
        cause = _CAUSE_OF_CLOSE.get(message.reason)
        if cause is not None and not stopping and message.segment_id == self._newest_id:
            records += self.interrupt(self.fault or cause, f"segment closed: {message.reason}")
        return records

    def lost(self, cause: InterruptionCause, detail: str) -> list[Record]:
        """The worker is gone and with it every file it had open: a gap begins."""
        self._beginning = None
        return self.interrupt(cause, detail)

    def interrupt(self, cause: InterruptionCause, detail: str) -> list[Record]:
        """Open a gap where the durable media ends; nothing when one is open already."""
        if self.gap is not None:
            return []
        return [self.open_gap(cause, detail, Moment(self.covered_until_us, self.bootseed, 0))]

    def open_gap(self, cause: InterruptionCause, detail: str, begin: Moment) -> Interruption:
        """A gap that begins at ``begin``. Within a boot its wall time is never needed."""
        self.gap = OpenGap(self.new_id(), begin)
        return self._interruption(self.gap, cause, detail, self.last_segment_id)

    def _interruption(
        self, gap: OpenGap, cause: InterruptionCause, detail: str, last_segment_id: str | None
    ) -> Interruption:
        return Interruption(
            gap_id=gap.gap_id,
            session_id=self.session_id,
            camera_id=self.camera_id,
            cause=cause,
            detail=detail,
            from_us=gap.begin.at_us,
            from_bootseed=gap.begin.bootseed,
            last_segment_id=last_segment_id,
        )

    def _resume(self, gap: OpenGap, segment_id: str, to_us: int, to_wall_us: int) -> Resumption:
        """Close the gap. Exact within a boot; across boots only the wall clock's claim is left."""
        self.gap = None
        same_boot = gap.begin.bootseed == self.bootseed
        duration = to_us - gap.begin.at_us if same_boot else to_wall_us - gap.begin.wall_us
        return Resumption(
            gap_id=gap.gap_id,
            session_id=self.session_id,
            camera_id=self.camera_id,
            segment_id=segment_id,
            to_us=to_us,
            duration_us=max(0, duration),
            duration_basis="boottime" if same_boot else "wall",
        )

    def _hole(self, beginning: _Beginning) -> list[Record]:
        """A gap that shows only when it is over, by the media behind it."""
        cause = beginning.fault or self.fault or "unknown"
        detail = f"no media for {(beginning.start_us - self.covered_until_us) / 1e6:.3f} s"
        interruptions = self.interrupt(cause, detail)
        assert self.gap is not None
        return [*interruptions, self._resume(self.gap, beginning.segment_id, beginning.start_us, beginning.wall_us)]
