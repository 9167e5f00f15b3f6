"""What may happen to one connection of a faulty line, and when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["reset", "stall", "flip", "lose-answer"]
"""``reset``: RST to both sides. ``stall``: both sides stay open, nothing moves any more. ``flip``: one bit of what is on
its way up. ``lose-answer``: RST when the first byte comes back, so the server believes it has answered."""


@dataclass(slots=True)
class Mishap:
    """Strikes a connection once ``after`` bytes went up on it; ``times`` of them, None: each."""

    kind: Kind
    after: int
    times: int | None
    strikes: int = 0

    def strikes_now(self, moved_up: int, upward: bool, waiting: bool) -> bool:
        """After bytes were taken from one side of the connection: ``upward`` from the client's. ``waiting``: there are some
        that have not been passed on."""
        if moved_up < self.after or (self.times is not None and self.strikes >= self.times):
            return False
        if self.kind == "lose-answer":
            return waiting and not upward
        return upward and (waiting or self.kind != "flip")
