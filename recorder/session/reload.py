"""When a new configuration takes effect: never inside a segment, what needs quiet only when nothing is recorded. Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

T = TypeVar("T")

QUIET_US: Final = 5_000_000
"""Nothing was recorded for so long. Who has just stopped may start again at once, and workers that start anew would cost
the first second of that."""


class PendingReload(Generic[T]):
    """``target``: the accepted configuration that is not wholly in force yet, None when there is none. Call ``look`` each
    turn before asking."""

    def __init__(self) -> None:
        self.target: T | None = None
        self._boundary_done = self._idle_done = self._segment_begun = False
        self._recording = self._down = False
        self._quiet_since_us: int | None = None
        self._now_us = 0

    def accept(self, target: T) -> None:
        """The newest one counts; one that waited is superseded."""
        self.target = target
        self._boundary_done = self._idle_done = self._segment_begun = False

    def segment_opened(self) -> None:
        self._segment_begun = True

    def look(self, now_us: int, *, recording: bool, down: bool = False) -> None:
        """``down``: a camera delivers nothing and the target may be its cure: waiting for a boundary, or for quiet, would
        be waiting for what does not come."""
        self._now_us, self._recording, self._down = now_us, recording, down
        if recording:
            self._quiet_since_us = None
        elif self._quiet_since_us is None:
            self._quiet_since_us = now_us

    def take_boundary(self) -> bool:
        """True once: what may change at a segment boundary is to change now."""
        moment = self._segment_begun or not self._recording or self._down
        due = self.target is not None and not self._boundary_done and moment
        self._boundary_done = self._boundary_done or due
        return due

    def take_idle(self) -> bool:
        """True once: what needs quiet is to change now."""
        moment = self.is_quiet or (self.target is not None and self._down)
        due = self._boundary_done and not self._idle_done and moment
        self._idle_done = self._idle_done or due
        return due

    @property
    def is_quiet(self) -> bool:
        """There is a target, and nothing was recorded for a while."""
        quiet = self._quiet_since_us is not None and self._now_us - self._quiet_since_us >= QUIET_US
        return self.target is not None and quiet

    @property
    def is_left(self) -> bool:
        """All that could change has, and something of the target is still not in force."""
        return self.target is not None and self._idle_done
