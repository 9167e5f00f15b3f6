"""One unit of the simulated fleet: the real upload queue, and what of the uploader's work is left without bytes."""

from __future__ import annotations

from hw_sim.fleet_sim.load import WALL0, UnitLoad
from recorder.fleet.dispatch import Demand
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import JournalGrew, Marked, Segment
from recorder.uplink.queue import UploadQueue

BACKOFF = BackoffPolicy(2.0, 300.0)
PATIENCE_S = 300.0
PRESSING_S = 7200.0


class SimUnit:
    """``queue`` is the product's. ``flow``: the upload under way; ``left``: bytes not yet at the store, by segment."""

    __slots__ = (
        "active",
        "demand",
        "docked_at",
        "flow",
        "left",
        "load",
        "marked",
        "queue",
        "sending",
        "told_at",
        "wake",
    )

    def __init__(self, load: UnitLoad, segment_bytes: int) -> None:
        self.load = load
        self.queue = UploadQueue(BACKOFF, 5.0, 30.0, pressing_s=PRESSING_S, patience_s=PATIENCE_S)
        self.flow: int | None = None
        self.sending: Segment | None = None
        self.active = False
        """Docked and there."""
        self.docked_at = load.dock_s
        self.demand: Demand | None = None
        """As told last."""
        self.told_at = 0.0
        self.wake = 0
        """Counts up; a wake-up of an older number is void."""
        self.left: dict[str, float] = {}
        self.marked: set[str] = set()
        journal = load.unit_id
        for seq, piece in enumerate(load.pieces):
            segment_id = f"{seq:08x}"
            self.queue.apply(Segment(journal, seq, "a", segment_id, "d", segment_bytes, piece.closed_at))
            self.left[segment_id] = float(segment_bytes)
            if piece.marked:
                self.marked.add(segment_id)
        if self.marked:
            self.queue.apply(Marked("a", tuple(sorted(self.marked))))
        self.queue.apply(JournalGrew(journal, len(load.pieces)))

    def deadline(self, segment: Segment) -> float:
        """In the simulation's seconds."""
        return self.queue.precedence.deadline(segment) - WALL0

    def demand_now(self) -> Demand:
        backlog = self.queue.backlog()
        return Demand(backlog.segments, backlog.bytes, backlog.marked, backlog.earliest_deadline)
