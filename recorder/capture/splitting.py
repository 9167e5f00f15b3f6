"""Where segments of one session end: pure decisions on frame time stamps, no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["live", "preroll", "postroll"]
StopReason = Literal["stop", "shutdown"]


@dataclass(frozen=True, slots=True)
class Continue:
    """The frame goes on in the open segment."""


@dataclass(frozen=True, slots=True)
class Split:
    """The frame is a keyframe and begins the next segment."""

    role: Role


@dataclass(frozen=True, slots=True)
class End:
    """The session's media end before this frame."""


Decision = Continue | Split | End

GRACE_US = 300_000
"""A camera that delivers nothing more must not keep a stopped session open for longer than this."""


class Splitter:
    """``segment_us``: nominal length; ``gop_us``: distance of keyframes. A split is taken at the first keyframe half a GOP
    early at most: with the bare length, jitter would make segments flap between 60 and 61 s."""

    def __init__(self, segment_us: int, gop_us: int, role: Role = "live") -> None:
        self.resize(segment_us, gop_us)
        self._role: Role = role
        self._base_us: int | None = None
        self._stop_us: int | None = None
        self._end_us = 0

    def resize(self, segment_us: int, gop_us: int) -> None:
        """Another nominal length, for the open segment, too."""
        self._least_us = max(1, segment_us - gop_us // 2)

    @property
    def role(self) -> Role:
        return self._role

    def stop(self, at_us: int, post_us: int) -> None:
        """The officer stopped at ``at_us``: record on for ``post_us`` (0: end with the last frame not after it). A second
        stop can only bring the end nearer."""
        end_us = at_us + post_us
        if self._stop_us is None:
            self._stop_us, self._end_us = at_us, end_us
        else:
            self._end_us = min(self._end_us, end_us)

    def opened(self, base_us: int) -> None:
        """A segment began with the frame of ``base_us``."""
        self._base_us = base_us

    def frame(self, timestamp_us: int, keyframe: bool) -> Decision:
        """What becomes of the next frame; after a ``Split`` the caller opens the segment and says ``opened``."""
        if self._stop_us is not None:
            if timestamp_us > self._end_us:
                return End()
            if keyframe and timestamp_us > self._stop_us and self._role == "live":
                self._role = "postroll"
                return Split("postroll")
        if keyframe and self._base_us is not None and timestamp_us - self._base_us >= self._least_us:
            return Split(self._role)
        return Continue()

    @property
    def end_us(self) -> int | None:
        """When the session is to end; None while nobody has stopped it."""
        return None if self._stop_us is None else self._end_us

    def overdue(self, now_us: int, grace_us: int = GRACE_US) -> bool:
        """True when the session must end although no later frame came."""
        return self._stop_us is not None and now_us > self._end_us + grace_us
