"""Lines the store was told were lost and the unit process has found: offered once more, batch by batch, when there is
nothing else to do. Pure.

Once per start of this process: the journal says it again to the next one, and the store keeps the same lines but once.
What fails here rests alone, by its own back-off, and is set aside after ``TRIES`` in a row: evidence never waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import Fact, JournalReset, LinesWanted

MOST = 256
"""Gaps waited for; further ones are said again at the next start."""
TRIES = 8
"""So many failures of one gap without a batch between them, and it waits for the next start of this process."""


@dataclass(frozen=True, slots=True)
class Offer:
    """Lines ``first`` … ``last`` are left to offer; ``gap``: the whole of it."""

    gap: LinesWanted
    first: int

    @property
    def last(self) -> int:
        return self.gap.last


@dataclass(slots=True)
class _Gap:
    first: int
    failures: int = 0


class LineOffers:
    """``rhythm_s``: between two batches that were taken, as between two posts. One owner, no locks."""

    def __init__(self, policy: BackoffPolicy, rhythm_s: float) -> None:
        self._policy = policy
        self._rhythm_us = round(rhythm_s * 1e6)
        self._waiting: dict[LinesWanted, _Gap] = {}
        self._done: set[LinesWanted] = set()
        self._aside: set[LinesWanted] = set()
        """Not forgotten with a reset: it is this process that has tried."""
        self._attempts = 0
        self._not_before_us = 0

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, JournalReset):
            self._waiting.clear()
            self._done.clear()
        elif isinstance(fact, LinesWanted) and fact not in self._done | self._aside and self._known < MOST:
            self._waiting.setdefault(fact, _Gap(fact.first))

    @property
    def _known(self) -> int:
        return len(self._waiting) + len(self._done) + len(self._aside)

    @property
    def waiting(self) -> int:
        """Gaps neither wholly offered yet nor set aside."""
        return len(self._waiting)

    def next(self, journal_id: str | None, posted_seq: int) -> Offer | None:
        """The next batch's gap: one of this journal, and not before the store has had what follows its beginning."""
        for gap, state in self._waiting.items():
            if gap.journal_id == journal_id and gap.first <= posted_seq:
                return Offer(gap, state.first)
        return None

    @property
    def not_before_us(self) -> int:
        """Boot time of the next offer."""
        return self._not_before_us

    def offered(self, offer: Offer, further: int | None, now_us: int) -> None:
        """The store has had a batch; ``further``: where to go on, None when all was offered."""
        self._attempts = 0
        self._not_before_us = now_us + self._rhythm_us
        if offer.gap not in self._waiting:
            return
        if further is None:
            del self._waiting[offer.gap]
            self._done.add(offer.gap)
        else:
            self._waiting[offer.gap] = _Gap(further)

    def failed(
        self, offer: Offer, now_us: int, fraction: float, retry_after_s: float | None = None
    ) -> tuple[float, bool]:
        """(pause in seconds, whether this gap is set aside now). The other gaps have their turn first."""
        self._attempts += 1
        pause_s = self._policy.delay_s(self._attempts, fraction, retry_after_s)
        self._not_before_us = now_us + round(pause_s * 1e6)
        state = self._waiting.pop(offer.gap, None)
        if state is None:
            return pause_s, False
        state.failures += 1
        if state.failures >= TRIES:
            self._aside.add(offer.gap)
            return pause_s, True
        self._waiting[offer.gap] = state
        return pause_s, False
