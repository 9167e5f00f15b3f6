"""How much time lies between two moments, also across boots. Pure.

Within a boot CLOCK_BOOTTIME says it exactly, whatever the wall clock did. Between boots only the wall clocks can: each
boot's wall clock is taken as it was *last* known in that boot (after it had been set), not as it was when a record was
written, so a step within a boot moves nothing. A boot whose clock was never set leaves only the time the unit was on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recorder.session.clock_watch import NOT_SET_BEFORE_US
from recorder.session.events import Moment


@dataclass(frozen=True, slots=True)
class BootClock:
    """One boot: ``first_us``/``last_us`` of its records; ``offset_us``: wall minus boot-time as last known."""

    bootseed: str
    first_us: int
    last_us: int
    offset_us: int

    @property
    def is_set(self) -> bool:
        return self.offset_us + self.last_us >= NOT_SET_BEFORE_US


@dataclass(frozen=True, slots=True)
class Elapsed:
    """``us`` is never negative. ``proven``: no unset clock on the way; else ``us`` is the least it can have been."""

    us: int
    proven: bool


class BootClocks:
    """The boots of a journal, oldest first; the last one is the present one."""

    def __init__(self, clocks: Iterable[BootClock]) -> None:
        self._clocks = list(clocks)
        self._place = {clock.bootseed: index for index, clock in enumerate(self._clocks)}

    def before(self, one: Moment, other: Moment) -> bool:
        """Did ``one`` come before ``other``? Boots are in the order of the journal, whatever their clocks say; between two
        boots older than what is remembered only the moments' own claims are left."""
        if one.bootseed == other.bootseed:
            return one.at_us < other.at_us
        here, there = self._place.get(one.bootseed, -1), self._place.get(other.bootseed, -1)
        return one.wall_us < other.wall_us if here == there else here < there

    def elapsed(self, start: Moment, end: Moment) -> Elapsed:
        if start.bootseed == end.bootseed:
            return Elapsed(max(0, end.at_us - start.at_us), True)
        if self.before(end, start):
            return Elapsed(0, True)
        first, last = self._place.get(start.bootseed), self._place.get(end.bootseed)
        at_least = self._on_time(first, last, start, end)
        begin, finish = self._wall(first, start), self._wall(last, end)
        if begin is None or finish is None:
            return Elapsed(at_least, False)
        # Boots in between need no clock of their own: the outer two say how long everything took.
        return Elapsed(max(at_least, finish - begin), True)

    def _wall(self, place: int | None, moment: Moment) -> int | None:
        """The wall clock's best claim for the moment; None when it never was set."""
        if place is None:  # a boot older than what is remembered: its own claim is all there is
            return moment.wall_us if moment.wall_us >= NOT_SET_BEFORE_US else None
        clock = self._clocks[place]
        return moment.at_us + clock.offset_us if clock.is_set else None

    def _on_time(self, first: int | None, last: int | None, start: Moment, end: Moment) -> int:
        """Time the unit was on between the two, which no clock is needed for."""
        if last is None:
            return 0
        total = max(0, end.at_us - self._clocks[last].first_us)
        if first is not None and first < last:
            total += max(0, self._clocks[first].last_us - start.at_us)
            total += sum(clock.last_us - clock.first_us for clock in self._clocks[first + 1 : last])
        return total
