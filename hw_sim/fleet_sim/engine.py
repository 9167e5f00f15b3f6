"""The run: events in the order of their time, nothing else happens. Decisions are the product's own code: each unit's
:class:`recorder.uplink.queue.UploadQueue`, the store's :mod:`recorder.fleet.dispatch` and :mod:`recorder.fleet.gauge`."""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

from hw_sim.fleet_sim.link import SharedLink
from hw_sim.fleet_sim.load import WALL0, Load
from hw_sim.fleet_sim.tally import Tally
from hw_sim.fleet_sim.unit import SimUnit
from recorder.fleet.dispatch import Dispatcher, DispatchPolicy
from recorder.fleet.gauge import SlotGauge, SlotLimits
from recorder.uplink.facts import Segment
from recorder.uplink.queue import AskReceipt, Hold, PostJournal, Upload, Wait
from recorder.uplink.turn import MqttState, StoreState, TurnWord

Scheme = Literal["lottery", "grants"]
"""``lottery``: 429 for whoever is one too many, full jitter at the units, nobody looks at deadlines or marks but each unit
for its own order. ``grants``: slots, and what is first passes."""

ROUND_TRIP_S: Final = 0.05
MQTT_S: Final = 0.1
TICK_S: Final = 1.0
WINDOW_S: Final = 30.0
STATUS_S: Final = 60.0
CHANGE_S: Final = 5.0
WILL_DELAY_S: Final = 30.0
ADMITTED: Final = 200
"""Ordinary uploads at once; one more is answered 429 (nginx ``limit_conn``)."""

LOST_BYTES: Final = 400_000
"""Sent and not kept when a flow breaks (measured: docs/benchmarks.md, bytes sent twice per fault)."""

PATIENCE: Final = 4.0
"""So many times the limit a run may take before it is given up."""


class FleetRun:
    def __init__(self, load: Load, scheme: Scheme, limits: SlotLimits | None = None) -> None:
        plan = load.plan
        self._load = load
        self._grants = scheme == "grants"
        self._rnd = random.Random(plan.seed + 1)
        self._units = [SimUnit(unit, plan.segment_bytes) for unit in load.units]
        self._by_id = {unit.load.unit_id: unit for unit in self._units}
        self._link = SharedLink(plan.link_rate, plan.unit_rate)
        self._flows: dict[int, tuple[SimUnit, bool]] = {}
        """Flow to its unit, and whether it counts as ordinary."""
        self._ordinary = 0
        # Whoever sets up a store knows its line and the docks; from there the slots follow what is measured.
        limits = limits or SlotLimits(start=round(plan.link_rate / plan.unit_rate))
        self._limits = limits
        self.now = 0.0
        self._start_desk()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._owing = sum(len(unit.left) for unit in self._units)
        self.tally = Tally(plan.total_bytes)

    def _start_desk(self) -> None:
        """The store's memory of units and rates, as at every start of its process: empty."""
        self._gauge = SlotGauge(self._limits)
        self._desk = Dispatcher(DispatchPolicy(), self._limits.start)
        self._received: Counter[str] = Counter()
        self._held: list[int] = []
        self._window_from = self.now

    # --- time --------------------------------------------------------------------------------------------------------

    def _at(self, when: float, what: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what))

    @property
    def _now_us(self) -> int:
        return round(self.now * 1e6)

    @property
    def _wall(self) -> float:
        return WALL0 + self.now

    def run(self) -> Tally:
        load = self._load
        for unit in self._units:
            self._at(unit.load.dock_s, lambda unit=unit: self._dock(unit))  # type: ignore[misc]  # bound at once
            if unit.load.away is not None:
                gone, back = unit.load.away
                self._at(gone, lambda unit=unit: self._leave(unit))  # type: ignore[misc]
                self._at(back, lambda unit=unit: self._dock(unit))  # type: ignore[misc]
        if self._grants:
            self._at(0.0, self._tick)
            self._at(load.mqtt_down.start_s, self._mqtt_down)
            self._at(load.mqtt_down.end_s, self._mqtt_up)
        self._at(load.store_down.start_s, self._store_down)
        self._at(load.store_down.end_s, self._store_up)
        self._at(0.0, self._sample)
        end = load.limit_s * PATIENCE
        while self._owing and self.now < end:
            through = self._link.next_end_s()
            if self._events and self._events[0][0] <= through:
                self.now, _, what = heapq.heappop(self._events)
                what()
            elif math.isfinite(through):
                self.now = through
                for flow in self._link.finished(self.now):
                    self._through(flow)
            else:
                break
        self.tally.unfinished = self._owing
        return self.tally

    def _sample(self) -> None:
        self._link.advance(self.now)
        self.tally.curve.append((self.now, self._link.carried))
        if self._grants:
            self.tally.slots.append((self.now, self._desk.slots))
        self._at(self.now + self._load.limit_s / 200, self._sample)

    # --- units come and go -------------------------------------------------------------------------------------------

    def _dock(self, unit: SimUnit) -> None:
        unit.active = True
        unit.docked_at = self.now
        if self._grants and not self._load.mqtt_down.covers(self.now):
            self._connected(unit)
        self._act(unit)

    def _connected(self, unit: SimUnit) -> None:
        fraction = self._rnd.random()
        unit.queue.turn.mqtt(MqttState(connected=True), self._now_us, fraction)
        unit.queue.turn.store(StoreState(online=True, grants=True), self._now_us, fraction)
        self._tell(unit)
        self._at(self.now + STATUS_S * self._rnd.uniform(0.5, 1.0), lambda: self._status(unit))

    def _leave(self, unit: SimUnit) -> None:
        if not unit.active:
            return
        unit.active = False
        unit.wake += 1
        self._cut(unit)
        if self._grants:
            unit.queue.turn.mqtt(MqttState(connected=False), self._now_us, self._rnd.random())
            self._at(self.now + WILL_DELAY_S, lambda: None if unit.active else self._desk.lost(unit.load.unit_id))

    def _cut(self, unit: SimUnit) -> None:
        if unit.flow is None or unit.sending is None:
            return
        _, ordinary = self._flows.pop(unit.flow)
        self._ordinary -= ordinary
        left = self._link.stop(unit.flow, self.now)
        size = float(self._load.plan.segment_bytes)
        unit.left[unit.sending.segment_id] = min(size, left + LOST_BYTES)
        unit.flow = unit.sending = None

    # --- what the uploader does --------------------------------------------------------------------------------------

    def _act(self, unit: SimUnit) -> None:
        """Do the next thing; each costs its time."""
        if not unit.active or unit.flow is not None:
            return
        unit.wake += 1
        action = unit.queue.next(self._now_us, self._wall)
        if isinstance(action, Wait):
            if action.until_us is not None:
                self._later(unit, max(self.now + 1e-3, action.until_us / 1e6))
            return
        self.tally.request(self.now)
        if self._load.store_down.covers(self.now):
            if isinstance(action, PostJournal):
                unit.queue.journal_position(None)
                self._failed(unit, "store", "")
            else:
                self._failed(unit, "store", action.segment.segment_id)
        elif isinstance(action, PostJournal):
            unit.queue.journal_posted(action.head_seq + 1, self._now_us)
        elif isinstance(action, AskReceipt):
            self._receipt(unit, action.segment)
        else:
            self._upload(unit, action)
            return
        self._later(unit, self.now + ROUND_TRIP_S)

    def _later(self, unit: SimUnit, when: float) -> None:
        number = unit.wake
        self._at(when, lambda: self._act(unit) if unit.wake == number else None)

    def _failed(self, unit: SimUnit, hold: Hold, segment_id: str) -> None:
        wall = self._wall if self._grants else None  # plain full jitter takes no notice of the time that is left
        unit.queue.failed(hold, self._now_us, self._rnd.random(), segment_id=segment_id, wall_s=wall)

    def _upload(self, unit: SimUnit, action: Upload) -> None:
        passes = self._grants and action.first
        segment_id = action.segment.segment_id
        if not passes and self._ordinary >= ADMITTED:
            self.tally.turned_away += 1
            self._failed(unit, "store" if action.first else "crowd", segment_id)
            self._later(unit, self.now + ROUND_TRIP_S)
            return
        self._ordinary += not passes
        # The creation's round trip is the flow's, as bytes not carried: a slot is held meanwhile.
        delay = ROUND_TRIP_S * self._load.plan.unit_rate
        unit.flow = self._link.begin(unit.left[segment_id] + delay, self.now)
        unit.sending = action.segment
        self._flows[unit.flow] = (unit, not passes)

    def _through(self, flow: int) -> None:
        unit, ordinary = self._flows.pop(flow)
        self._ordinary -= ordinary
        segment, unit.flow, unit.sending = unit.sending, None, None
        assert segment is not None
        unit.left[segment.segment_id] = 0.0
        unit.queue.uploaded(segment.segment_id)
        unit.wake += 1
        self._later(unit, self.now + ROUND_TRIP_S)

    def _receipt(self, unit: SimUnit, segment: Segment) -> None:
        assert unit.queue.receipted(segment.segment_id, segment.sha256, segment.size)
        assert unit.left.pop(segment.segment_id) == 0.0, "a receipt for bytes that are not there"
        self._owing -= 1
        self._received[unit.load.unit_id] += segment.size
        waited = self.now - unit.docked_at if segment.segment_id in unit.marked else None
        self.tally.receipt(self.now, unit.deadline(segment), unit.load.tight, waited)
        if self._grants:
            self._changed(unit)

    # --- MQTT --------------------------------------------------------------------------------------------------------

    def _tell(self, unit: SimUnit) -> None:
        unit.demand = unit.demand_now()
        unit.told_at = self.now
        self.tally.statuses += 1
        self._desk.heard(unit.load.unit_id, unit.demand, self.now)

    def _status(self, unit: SimUnit) -> None:
        """At its interval, while connected and something is left."""
        if not unit.active or self._load.mqtt_down.covers(self.now) or not unit.left:
            return
        if self.now - unit.told_at >= STATUS_S:
            self._tell(unit)
        self._at(max(unit.told_at, self.now - STATUS_S) + STATUS_S + 1e-3, lambda: self._status(unit))

    def _changed(self, unit: SimUnit) -> None:
        """As :class:`recorder.uplink.grants.GrantCarrier`: told at once, but not more often than every few seconds."""
        if not unit.active or self._load.mqtt_down.covers(self.now):
            return
        if unit.told_at + CHANGE_S <= self.now or not unit.left:
            self._tell(unit)

    def _tick(self) -> None:
        if self.now - self._window_from >= WINDOW_S:
            seconds, held = self.now - self._window_from, sum(self._held) / max(1, len(self._held))
            self._desk.slots = self._gauge.window(seconds, self._received, held)
            self._received.clear()
            self._held.clear()
            self._window_from = self.now
        away = self._load.store_down.covers(self.now)
        for word in () if away else self._desk.tick(self.now):
            self.tally.words += 1
            if not self._load.mqtt_down.covers(self.now):
                unit = self._by_id[word.unit_id]
                self._at(self.now + MQTT_S, lambda unit=unit, word=word: self._word(unit, word))  # type: ignore[misc]
        self._held.append(len(self._desk.holders))
        if self._owing:
            self._at(self.now + TICK_S, self._tick)

    def _word(self, unit: SimUnit, word: TurnWord) -> None:
        if not unit.active:
            return
        unit.queue.turn.told(TurnWord(word.for_s, word.wait_s), self._now_us, self._rnd.random())
        if word.for_s > 0:
            unit.queue.called(self._now_us)
        self._act(unit)

    def _mqtt_down(self) -> None:
        for unit in self._present():
            unit.queue.turn.mqtt(MqttState(connected=False), self._now_us, self._rnd.random())
            self._act(unit)

    def _mqtt_up(self) -> None:
        for unit in self._present():
            # Clients come back within their own back-off, not all in one moment.
            when = self.now + self._rnd.uniform(0.0, 30.0)
            self._at(when, lambda unit=unit: self._connected(unit) if unit.active else None)  # type: ignore[misc]

    def _store_down(self) -> None:
        """Its process ends: connections break, and the broker tells its last will."""
        for unit in [unit for unit, _ in self._flows.values()]:
            segment = unit.sending
            self._cut(unit)
            assert segment is not None
            unit.queue.upload_progressed()
            self._failed(unit, "store", segment.segment_id)
            self._act(unit)
        if self._grants:
            for unit in self._present():
                unit.queue.turn.store(StoreState(online=False, grants=False), self._now_us, self._rnd.random())
                self._act(unit)

    def _store_up(self) -> None:
        """A new process: it hears every retained status, and units hear that it is there."""
        if not self._grants:
            return
        self._start_desk()
        for unit in self._present():
            if unit.demand is not None:
                self._desk.heard(unit.load.unit_id, unit.demand, self.now)
            unit.queue.turn.store(StoreState(online=True, grants=True), self._now_us, self._rnd.random())
            unit.queue.hurry(self._now_us, self._rnd.random())
            self._act(unit)

    def _present(self) -> list[SimUnit]:
        return [unit for unit in self._units if unit.active and unit.left]
