"""Lines the store was told were lost and the unit process has found: offered once more, a batch with each post. Pure.

Once per start of this process: the journal says it again to the next one, and the store keeps the same lines but once.
"""

from __future__ import annotations

from collections.abc import Callable

from recorder.uplink.facts import Fact, JournalReset, LinesWanted

MOST = 256
"""Gaps waited for; further ones are said again at the next start."""

Offer = Callable[[str, int, int], int | None]
"""``JournalPoster.offer``: (journal, first, last) → where to go on, None when all is offered."""


class LineOffers:
    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int, int], int] = {}
        self._done: set[tuple[str, int, int]] = set()

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, JournalReset):
            self._waiting.clear()
            self._done.clear()
        elif isinstance(fact, LinesWanted):
            key = fact.journal_id, fact.first, fact.last
            if key not in self._done and len(self._waiting) + len(self._done) < MOST:
                self._waiting.setdefault(key, fact.first)

    @property
    def waiting(self) -> int:
        """Gaps not wholly offered yet."""
        return len(self._waiting)

    def one(self, journal_id: str, offer: Offer) -> None:
        """One batch of the oldest gap of this journal. What ``offer`` raises leaves it for the next time."""
        key = next((key for key in self._waiting if key[0] == journal_id), None)
        if key is None:
            return
        further = offer(journal_id, self._waiting[key], key[2])
        if further is None:
            del self._waiting[key]
            self._done.add(key)
        else:
            self._waiting[key] = further
