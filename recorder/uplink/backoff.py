"""When to try again. Pure: randomness comes in as a number.

Full jitter (a uniform draw over the whole interval) spreads a fleet that lost its store at one moment; exponential
doubling without jitter keeps it in step, and "doubling plus a little" hardly helps.
"""

from __future__ import annotations

from dataclasses import dataclass

RETRY_AFTER_MAX_S = 3600.0
"""A store that asks for more is asked again after an hour: nobody may park evidence past its statutory deadline."""

_SLACK_PARTS = 24
_MIN_CAP_FACTOR = 8


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """``base_s`` bounds the first pause, doubling up to ``cap_s``."""

    base_s: float
    cap_s: float

    def delay_s(
        self, attempt: int, fraction: float, retry_after_s: float | None = None, slack_s: float | None = None
    ) -> float:
        """Pause before attempt ``attempt + 1`` (``attempt`` ≥ 1 failures so far), ``fraction`` uniform in [0, 1).

        A ``Retry-After`` is honoured and only lengthened, by up to a fifth, so that units told the same second do not
        come back in it. The cap shrinks with ``slack_s``, the time left to the nearest statutory deadline.
        """
        if retry_after_s is not None:
            return min(max(retry_after_s, 0.0), RETRY_AFTER_MAX_S) * (1 + 0.2 * fraction)
        cap = self.cap_s
        if slack_s is not None:
            floor = min(self.cap_s, self.base_s * _MIN_CAP_FACTOR)
            cap = min(cap, max(floor, slack_s / _SLACK_PARTS))
        # The exponent is bounded: 2.0**1100 overflows, and a unit may well be offline for a year.
        return fraction * min(cap, self.base_s * 2.0 ** min(max(attempt, 1) - 1, 40))
