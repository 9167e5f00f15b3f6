"""Speech for built vaults: bound as docs/formats.md §5.29 says, by other code than the unit's and the verifier's."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from recorder.evidence import records as r
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import FRAGMENT_US, BuiltSegment, VaultBuilder

AGENCY = TestAgency()
SPOKEN = (3, 20)
"""The entries in which the officer speaks: 18 × 0.2 s."""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def stored_digest(segment: BuiltSegment, number: int) -> str:
    return b64(hashlib.sha256(segment.stored[number]).digest())


def span(segment: BuiltSegment, first: int = SPOKEN[0], last: int = SPOKEN[1], **changes: Any) -> r.SpeechSpan:
    """Speech that fills the entries ``first`` … ``last`` (entry n ≥ 1 holds the n-th fragment)."""
    raw = b"".join(hashlib.sha256(entry).digest() for entry in segment.stored[first : last + 1])
    values = {
        "segment_id": segment.segment_id,
        "start_us": segment.start_us + (first - 1) * FRAGMENT_US,
        "end_us": segment.start_us + last * FRAGMENT_US,
        "first": first,
        "last": last,
        "start_offset": segment.entry_offset(first),
        "end_offset": segment.entry_offset(last + 1),
        "sha256": b64(hashlib.sha256(raw).digest()),
    }
    return r.SpeechSpan(**(values | changes))


def resumed(**boot: Any) -> tuple[VaultBuilder, str, BuiltSegment, BuiltSegment]:
    """A recording with one gap that resumed and still runs: builder, gap, segment before and behind it."""
    b = VaultBuilder(AGENCY, **boot)
    b.boot()
    b.shift_start()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    b.wait(4)
    after = b.open_segment()
    b.resumption(gap, after, after.start_us - before.end_us, "boottime")
    b.fill(after, 24, close=False)
    return b, gap, before, after


def press(b: VaultBuilder, after: BuiltSegment, **changes: Any) -> str:
    """The officer presses mark at the end of what was said."""
    mark_id = b.new_id()
    values = {
        "mark_id": mark_id,
        "session_id": after.session_id,
        "kind": "explanation",
        "at_us": after.start_us + SPOKEN[1] * FRAGMENT_US,
        "segment_ids": (after.segment_id,),
    }
    b.append(r.Mark(**(values | changes)))
    return mark_id


def explanation(gap: str, before: BuiltSegment, after: BuiltSegment, **changes: Any) -> r.Explanation:
    """A confirmed explanation of ``gap``, all of it right unless changed."""
    values: dict[str, Any] = {
        "gap_id": gap,
        "confirmed": "button",
        "counts": True,
        "mark_id": None,
        "legal_cause": None,
        "speech": (span(after),),
        "before_sha256": stored_digest(before, len(before.stored) - 1),
        "after_sha256": stored_digest(after, 1),
    }
    return r.Explanation(**(values | changes))


def explain(b: VaultBuilder, gap: str, before: BuiltSegment, after: BuiltSegment, **changes: Any) -> None:
    """Press and explanation."""
    b.append(explanation(gap, before, after, **({"mark_id": press(b, after)} | changes)))


def finish(b: VaultBuilder, after: BuiltSegment | None = None) -> VaultBuilder:
    """The recording and the shift end, the store has everything."""
    if after is not None:
        b.fill_end(after)
        b.close_segment(after)
        b.session_stop(after.end_us)
    b.standby(3)
    b.shift_end()
    b.receipt()
    return b
