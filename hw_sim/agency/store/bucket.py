"""A token bucket: so many a minute, as many at once. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket at ``at`` seconds (wall time of the store: the instances share it)."""

    tokens: float
    at: float


def draw(bucket: Bucket | None, now: float, per_minute: int) -> tuple[Bucket, float]:
    """(the bucket afterwards, seconds until there is a token; 0: one was taken). It holds one minute's worth. Pure."""
    rate = per_minute / 60.0
    full = float(per_minute)
    if bucket is None:
        bucket = Bucket(full, now)
    # A clock set back gives nothing and takes nothing.
    tokens = min(full, bucket.tokens + max(0.0, now - bucket.at) * rate)
    if tokens < 1.0:
        return Bucket(tokens, now), (1.0 - tokens) / rate
    return Bucket(tokens - 1.0, now), 0.0
