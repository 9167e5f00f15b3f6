"""Which of the store's receipts are still worth keeping. Pure.

A receipt that names segments is kept for ever: it is what allowed their release. One that only anchors the journal's head
comes every few seconds; of these the newest anchors all before it, and a few older ones bound in time what was recorded
between them. So the last hour is kept whole, and of what is older one for each ten minutes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WHOLE_S = 3600.0
BUCKET_S = 600.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """A believed receipt without segments. ``iat``: when the store signed it, seconds since 1970."""

    receipt_id: str
    head_seq: int
    iat: float


def superseded(anchors: Iterable[Anchor]) -> list[Anchor]:
    """Those that may go: older than an hour before the newest, and not the first of their ten minutes."""
    ordered = sorted(anchors, key=lambda anchor: (anchor.iat, anchor.head_seq))
    if not ordered:
        return []
    horizon = ordered[-1].iat - WHOLE_S
    kept_buckets: set[int] = set()
    going: list[Anchor] = []
    for anchor in ordered:
        bucket = int(anchor.iat // BUCKET_S)
        if anchor.iat >= horizon:
            break
        if bucket in kept_buckets:
            going.append(anchor)
        kept_buckets.add(bucket)
    return going
