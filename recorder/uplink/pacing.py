"""How fast bytes may go: a token bucket. Pure: the time is an argument, waiting is the caller's."""

from __future__ import annotations


class TokenBucket:
    """``rate``: bytes a second; ``burst``: what may go at once after a pause.

    The bucket may go into debt: a block is sent whole and waited for afterwards, so a block larger than the burst, or than
    what a second holds, passes too.
    """

    def __init__(self, rate: float, burst: int, now_us: int) -> None:
        if rate <= 0 or burst <= 0:
            raise ValueError(f"rate {rate}, burst {burst}: 须大于零 must be above zero")
        self._rate = rate
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at_us = now_us

    def take(self, count: int, now_us: int) -> float:
        """``count`` bytes have been sent; seconds to wait before the next."""
        # A clock that stands still or goes back (it is boot-time, but arguments are anybody's) adds nothing.
        self._tokens = min(self._burst, self._tokens + max(0, now_us - self._at_us) * self._rate / 1e6)
        self._at_us = max(self._at_us, now_us)
        self._tokens -= count
        return max(0.0, -self._tokens / self._rate)
