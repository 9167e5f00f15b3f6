"""When a new configuration takes effect: never inside a segment, what needs quiet only when nothing is recorded. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class PendingReload(Generic[T]):
    """``target``: the accepted configuration that is not wholly in force yet, None when there is none."""

    target: T | None = None
    boundary_done: bool = False
    idle_done: bool = False
    _segment_begun: bool = False

    def accept(self, target: T) -> None:
        """The newest one counts; one that waited is superseded."""
        self.target = target
        self.boundary_done = self.idle_done = self._segment_begun = False

    def segment_opened(self) -> None:
        self._segment_begun = True

    def boundary_is_due(self, *, recording: bool) -> bool:
        return self.target is not None and not self.boundary_done and (self._segment_begun or not recording)

    def idle_is_due(self, *, recording: bool) -> bool:
        return self.target is not None and self.boundary_done and not self.idle_done and not recording
