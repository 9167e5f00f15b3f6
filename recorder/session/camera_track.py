"""One camera's time line within one session: what its media covers and where it does not (中断 and 恢复, art. 23).

Only ``live`` and ``postroll`` segments cover session time; pre-roll lies before the session and is an extra. A gap is
opened where the media is known to end and closed by the first media after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from recorder.channel import messages
from recorder.evidence.records import Interruption, InterruptionCause, Record, Resumption
from recorder.session.events import Moment, OpenGap

SEAM_US = 40_000
"""Longest pause between adjacent segments that is no gap: one frame at 25 fps (GA/T 947, 最大记录间隔 ≤ 0.04 s)."""

_CAUSE_OF_CLOSE: dict[str, InterruptionCause] = {"camera-fault": "camera-fault", "overflow": "buffer-overflow"}


@dataclass(frozen=True, slots=True)
class _Seam:
    """A main segment was opened before the one ahead of it was closed: judged when its end is known."""

    before_id: str
    after_id: str
    after_start_us: int


@dataclass(slots=True)
class CameraTrack:
    """``owed_us``: from here on the session owes media of this camera (boot-time of the current boot)."""

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
    _ends: dict[str, int] = field(default_factory=dict)
    _seams: list[_Seam] = field(default_factory=list)

    @property
    def started(self) -> bool:
        """There is media in this boot."""
        return self.end_us is not None

    @property
    def covered_until_us(self) -> int:
        """End of the last media known, but never before the session began to owe media."""
        return max(self.owed_us, self.end_us or 0)

    def opened(self, message: messages.Opened, at_us: int, wall_us: int) -> tuple[list[Record], list[Record]]:
        """Take in a new segment. Returns the records that belong before and after its ``segment-open``."""
        self.next_index = max(self.next_index, message.segment_index + 1)
        if message.role == "preroll":
            return [], []
        start = message.media_start_us
        before: list[Record] = []
        after: list[Record] = []
        if self.gap is not None:
            after.append(self._resume(message.segment_id, start, wall_us - (at_us - start)))
        elif self.last_segment_id is not None and self.end_us is not None:
            if self.last_segment_id in self._ends and self.fault != "storage-fault":
                self._seams.append(_Seam(self.last_segment_id, message.segment_id, start))
            else:
                # After a failed write the worker never touches the old file again: no close will come.
                before, after = self._judge(self.last_segment_id, self.covered_until_us, message.segment_id, start)
        elif start > self.owed_us + SEAM_US:
            before, after = self._judge(None, self.owed_us, message.segment_id, start)
        self.last_segment_id = message.segment_id
        self.end_us = max(self.end_us or 0, start)
        self._ends[message.segment_id] = start
        return before, after

    def durable(self, segment_id: str, media_end_us: int) -> None:
        """An entry of ``segment_id`` is durable; media of other segments (pre-roll) is ignored."""
        if segment_id not in self._ends:
            return
        self._ends[segment_id] = max(self._ends[segment_id], media_end_us)
        if segment_id == self.last_segment_id:
            self.end_us = max(self.end_us or 0, media_end_us)

    def closed(self, message: messages.Closed, stopping: bool) -> list[Record]:
        """A segment ended. Returns the gaps that show only now."""
        if message.segment_id not in self._ends:
            return []
        self.durable(message.segment_id, message.media_end_us)
        records = self._settle(message.segment_id)
        cause = _CAUSE_OF_CLOSE.get(message.reason)
        if cause is not None and not stopping and message.segment_id == self.last_segment_id:
            records += self.interrupt(self.fault or cause, f"segment closed: {message.reason}")
        return records

    def lost(self, cause: InterruptionCause, detail: str) -> list[Record]:
        """The worker is gone and with it every file it had open: a gap begins."""
        return self.settle_all(cause, detail) + self.interrupt(cause, detail)

    def settle_all(self, cause: InterruptionCause, detail: str) -> list[Record]:
        """No open segment gets more media: judge the seams that waited for them."""
        records: list[Record] = []
        for segment_id in list(self._ends):
            records += self._settle(segment_id, cause, detail)
        return records

    def interrupt(self, cause: InterruptionCause, detail: str) -> list[Record]:
        """Open a gap where the coverage ends; nothing when one is open already."""
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

    def _resume(self, segment_id: str, to_us: int, to_wall_us: int) -> Resumption:
        """Close the open gap. Exact within a boot; across boots only the wall clock's claim is left."""
        assert self.gap is not None
        gap, self.gap = self.gap, None
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

    def _judge(
        self,
        before_id: str | None,
        before_end_us: int,
        after_id: str,
        after_start_us: int,
        cause: InterruptionCause | None = None,
        detail: str = "",
    ) -> tuple[list[Record], list[Record]]:
        """A gap whose both ends are known."""
        if after_start_us - before_end_us <= SEAM_US:
            return [], []
        gap = OpenGap(self.new_id(), Moment(before_end_us, self.bootseed, 0))
        text = detail or (f"no media for {(after_start_us - before_end_us) / 1e6:.3f} s")
        interruption = self._interruption(gap, cause or self.fault or "unknown", text, before_id)
        resumption = Resumption(
            gap_id=gap.gap_id,
            session_id=self.session_id,
            camera_id=self.camera_id,
            segment_id=after_id,
            to_us=after_start_us,
            duration_us=after_start_us - before_end_us,
            duration_basis="boottime",
        )
        return [interruption], [resumption]

    def _settle(self, segment_id: str, cause: InterruptionCause | None = None, detail: str = "") -> list[Record]:
        """``segment_id`` gets no more media: judge the seam behind it."""
        end_us = self._ends.pop(segment_id)
        records: list[Record] = []
        for seam in [seam for seam in self._seams if seam.before_id == segment_id]:
            self._seams.remove(seam)
            interruption, resumption = self._judge(
                segment_id, max(end_us, self.owed_us), seam.after_id, seam.after_start_us, cause, detail
            )
            records += interruption + resumption
        return records
