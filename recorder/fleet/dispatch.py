"""Who may upload next: the store grants slots, marked evidence first, then the earliest statutory deadline. Pure.

A fleet that docks at the end of a shift asks for more than the link carries. Turning units away at random (429, jitter)
keeps the store alive and lets deadlines pass, because nobody looks at them; whoever sees all deadlines must choose. A
grant is a lease: it ends by itself, so a unit that vanishes, a broker that forgets and a store that starts anew cost one
lease at most. Time and randomness are arguments.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from dataclasses import dataclass

HEAP_SLACK = 16


@dataclass(frozen=True, slots=True)
class DispatchPolicy:
    """Seconds. ``grant_s``: life of a grant, renewed when ``renew_s`` of it are left. ``wait_s``: so long a unit without a
    slot is told to wait, and told again after a third of it. ``silent_s``: a unit not heard of for so long has vanished
    (several intervals of ``up/status``)."""

    grant_s: float = 120.0
    renew_s: float = 45.0
    wait_s: float = 600.0
    silent_s: float = 150.0


@dataclass(frozen=True, slots=True)
class Demand:
    """``backlog`` of a unit's ``up/status``. ``earliest_deadline``: wall seconds, None: none runs."""

    segments: int
    bytes: int
    marked: int
    earliest_deadline: float | None


@dataclass(frozen=True, slots=True)
class Word:
    """What a unit is told: it may upload for ``for_s`` seconds, or (0) shall wait for up to ``wait_s``."""

    unit_id: str
    for_s: float
    wait_s: float


Rank = tuple[bool, float]


def rank_of(demand: Demand) -> Rank:
    """Smaller goes first."""
    deadline = demand.earliest_deadline
    return (demand.marked == 0, math.inf if deadline is None else deadline)


@dataclass(slots=True)
class _Unit:
    demand: Demand
    heard_at: float
    lease_until: float = -math.inf
    """The unit may believe that it has the slot until then; after that the slot is somebody else's."""
    queued_as: Rank | None = None


class Dispatcher:
    """``slots`` units upload at the same time; it may be changed at any moment (:mod:`recorder.fleet.gauge`)."""

    def __init__(self, policy: DispatchPolicy, slots: int) -> None:
        self._policy = policy
        self.slots = slots
        self._units: OrderedDict[str, _Unit] = OrderedDict()
        """The one heard of longest ago first."""
        self._waiting: list[tuple[Rank, str]] = []
        """A heap; an entry counts while the unit's ``queued_as`` is its rank."""
        self._leases: list[tuple[float, str]] = []
        """A heap of what to look at when: renewals and ends; an entry that says nothing new is passed over."""
        self._holders: set[str] = set()
        self._told: OrderedDict[str, float] = OrderedDict()
        """Units that wait and when they were told so, the longest ago first."""
        self._untold: dict[str, None] = {}
        """Units that wait and were not told so yet, in the order they came."""

    # --- what is heard -----------------------------------------------------------------------------------------------

    def heard(self, unit_id: str, demand: Demand, now_s: float) -> None:
        """A status of the unit. One without a backlog gives its slot back."""
        if demand.segments <= 0:
            self.lost(unit_id)
            return
        unit = self._units.get(unit_id)
        if unit is None:
            unit = self._units[unit_id] = _Unit(demand, now_s)
        unit.demand, unit.heard_at = demand, now_s
        self._units.move_to_end(unit_id)
        if unit_id not in self._holders:
            self._queue(unit_id, unit)

    def lost(self, unit_id: str) -> None:
        """It said goodbye, its last will did, or it has nothing left: whatever it held is free."""
        self._units.pop(unit_id, None)
        self._holders.discard(unit_id)
        self._told.pop(unit_id, None)
        self._untold.pop(unit_id, None)

    def _queue(self, unit_id: str, unit: _Unit) -> None:
        if unit_id not in self._told:
            self._untold[unit_id] = None
        rank = rank_of(unit.demand)
        if unit.queued_as != rank:
            unit.queued_as = rank
            heapq.heappush(self._waiting, (rank, unit_id))
            self._shed()

    def _shed(self) -> None:
        """Entries that count no more leave at the top only: one whose demand keeps changing would leave many."""
        if len(self._waiting) > 2 * len(self._units) + HEAP_SLACK:
            units = self._units.items()
            self._waiting = [(unit.queued_as, unit_id) for unit_id, unit in units if unit.queued_as is not None]
            heapq.heapify(self._waiting)

    # --- the decision ------------------------------------------------------------------------------------------------

    def tick(self, now_s: float) -> list[Word]:
        """Whom to tell what, now. Call it about once a second."""
        self._forget_silent(now_s)
        words = self._renew(now_s)
        while len(self._holders) < self.slots and (unit_id := self._best_waiting()) is not None:
            heapq.heappop(self._waiting)
            words.append(self._grant(unit_id, now_s))
        return words + self._tell_waiting(now_s)

    def _forget_silent(self, now_s: float) -> None:
        while self._units:
            unit_id, unit = next(iter(self._units.items()))
            if now_s - unit.heard_at <= self._policy.silent_s:
                return
            self.lost(unit_id)

    def _renew(self, now_s: float) -> list[Word]:
        """Holders whose lease is nearly over compete with those who wait; the slot of a loser is free when it ends."""
        words: list[Word] = []
        while self._leases and self._leases[0][0] <= now_s:
            _, unit_id = heapq.heappop(self._leases)
            unit = self._units.get(unit_id)
            if unit is None or unit_id not in self._holders:
                continue
            if unit.lease_until - now_s > self._policy.renew_s:
                continue
            if self._keeps(unit):
                words.append(self._grant(unit_id, now_s))
            elif unit.lease_until <= now_s:
                self._holders.discard(unit_id)
                unit.queued_as = None
                self._queue(unit_id, unit)
            else:
                heapq.heappush(self._leases, (unit.lease_until, unit_id))
        return words

    def _keeps(self, unit: _Unit) -> bool:
        if len(self._holders) > self.slots:
            return False
        waiting = self._best_waiting()
        # On a tie the slot stays where it is: a change costs a pause.
        return waiting is None or len(self._holders) < self.slots or rank_of(unit.demand) <= self._waiting[0][0]

    def _best_waiting(self) -> str | None:
        while self._waiting:
            rank, unit_id = self._waiting[0]
            unit = self._units.get(unit_id)
            if unit is not None and unit.queued_as == rank and unit_id not in self._holders:
                return unit_id
            heapq.heappop(self._waiting)
        return None

    def _grant(self, unit_id: str, now_s: float) -> Word:
        unit = self._units[unit_id]
        unit.lease_until = now_s + self._policy.grant_s
        unit.queued_as = None
        self._holders.add(unit_id)
        self._told.pop(unit_id, None)
        self._untold.pop(unit_id, None)
        heapq.heappush(self._leases, (unit.lease_until - self._policy.renew_s, unit_id))
        return Word(unit_id, self._policy.grant_s, 0.0)

    def _tell_waiting(self, now_s: float) -> list[Word]:
        """Those who wait are told that they are known, and again before they would stop believing it."""
        words = [Word(unit_id, 0.0, self._policy.wait_s) for unit_id in self._untold]
        self._told.update(dict.fromkeys(self._untold, now_s))
        self._untold.clear()
        while self._told:
            unit_id, told_at = next(iter(self._told.items()))
            if now_s - told_at < self._policy.wait_s / 3:
                break
            self._told[unit_id] = now_s
            self._told.move_to_end(unit_id)
            words.append(Word(unit_id, 0.0, self._policy.wait_s))
        return words

    # --- for people --------------------------------------------------------------------------------------------------

    @property
    def holders(self) -> frozenset[str]:
        return frozenset(self._holders)

    def waiting(self) -> int:
        return len(self._units) - len(self._holders)

    def entries(self) -> int:
        """How much it remembers; bounded by the number of units."""
        return len(self._waiting) + len(self._leases) + len(self._units)

    def demands(self) -> dict[str, Demand]:
        return {unit_id: unit.demand for unit_id, unit in self._units.items()}
