"""Counters that outlive restarts: what each record of the journal adds to them. Pure; the index keeps the sums."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

FAULTS: Final = "faults"
SEGMENTS: Final = "segments"
FRAMES: Final = "frames"
DROPPED: Final = "dropped-frames"
GAPS: Final = "gaps"
GAP_US: Final = "gap-us"

Increment = tuple[str, str, int]
"""(counter, label, amount)."""


def increments(typ: str, payload: Mapping[str, Any]) -> Iterator[Increment]:
    """What the record counts for. A fault counts once, at its onset; an interruption's length when it is over."""
    if typ == "fault" and payload["phase"] == "onset":
        yield FAULTS, payload["code"], 1
    elif typ == "segment-close":
        camera_id = payload["camera_id"]
        yield SEGMENTS, camera_id, 1
        yield FRAMES, camera_id, payload["frames"]
        yield DROPPED, camera_id, payload["dropped_frames"]
    elif typ == "interruption":
        yield GAPS, payload["cause"], 1
    elif typ == "resumption":
        yield GAP_US, "", payload["duration_us"]
