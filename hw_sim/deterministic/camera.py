"""One camera as the worker sees it: when it delivered frames, and when it did not."""

from __future__ import annotations

from dataclasses import dataclass, field

FRAME_US = 33_333
GOP_US = 1_000_000


@dataclass(slots=True)
class Camera:
    """``frozen_us``: it delivers nothing since then; ``unplugged``: a worker cannot even start it. ``holes``: when it had
    delivered nothing, as far as that is over."""

    camera_id: str
    frozen_us: int | None = None
    unplugged: bool = False
    holes: list[tuple[int, int]] = field(default_factory=list)

    def freeze(self, now_us: int) -> None:
        if self.frozen_us is None:
            self.frozen_us = now_us

    def heal(self, now_us: int) -> None:
        if self.frozen_us is not None:
            self.holes.append((self.frozen_us, now_us))
        self.frozen_us, self.unplugged = None, False

    def hole_at(self, at_us: int) -> tuple[int, int] | None:
        """The first hole that is not over at ``at_us``."""
        return next((hole for hole in self.holes if hole[1] > at_us), None)

    def frames_until(self, now_us: int) -> int:
        """End of the newest frame."""
        return now_us if self.frozen_us is None else min(now_us, self.frozen_us)
