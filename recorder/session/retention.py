"""Which segments may leave the unit. Pure.

No loop overwrite, ever: a segment is released only when a receipt the unit believes covers exactly its bytes, its
keep-window is over, and the space is needed. When nothing may be released the card fills, and that is a fault, not a
deletion (promise 2).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Held:
    """A closed segment on the unit. ``receipt_digest`` is None until a receipt for exactly these bytes is believed."""

    segment_id: str
    session_id: str
    size: int
    sha256: str
    closed_wall_us: int
    receipt_digest: str | None


def releasable(
    held: Iterable[Held], now_wall_us: int, keep_window_us: int, free_bytes: int, wanted_free_bytes: int
) -> list[Held]:
    """Oldest first, only as many as the wanted free space needs.

    The keep-window counts by the wall clock: a clock that was wrong when the segment closed can only make the unit keep
    it longer (a closing time in the future has not passed).
    """
    released: list[Held] = []
    for segment in sorted(held, key=lambda s: s.closed_wall_us):
        if free_bytes >= wanted_free_bytes:
            break
        if segment.receipt_digest is None or now_wall_us - segment.closed_wall_us < keep_window_us:
            continue
        released.append(segment)
        free_bytes += segment.size
    return released
