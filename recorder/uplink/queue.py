"""What to send next. Pure: time, randomness and events are arguments; import-linter keeps I/O out.

Order: the journal (it anchors everything and is small), then receipts to ask for, then segments — marked evidence (and
what the agency granted priority) before the rest, earliest statutory deadline first (Hebei measures art. 24: within 24
hours), then journal order. A segment is done when a receipt naming its digest and size is on disk, and for no other reason.

Whether a segment may go at all is asked of :mod:`recorder.uplink.turn` (the store's grants). The journal, receipts, what
comes first in the order and what is pressing (little time left) wait for nobody's grant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.blame import Blame
from recorder.uplink.edf import Job
from recorder.uplink.facts import (
    DeadlineMoved,
    Fact,
    Granted,
    JournalGrew,
    JournalReset,
    Marked,
    ReceiptWanted,
    Released,
    Segment,
    SessionStarted,
    SessionStopped,
)
from recorder.uplink.links import Cargo, Link, LinkPolicy
from recorder.uplink.precedence import PRESSING_S, Precedence
from recorder.uplink.turn import Turn

PATIENCE_S = 300.0
CALLED_US = 5_000_000
"""So often a grant may end the rest after a failure."""
JOURNAL = ""
"""The journal's name among things that fail (see ``blame``); segments have their ids."""

Hold: TypeAlias = Literal["store", "crowd", "journal", "segment", "none"]
"""What rests. ``crowd``: uploads that are not first; the store is busy, but turned away only one of those."""


@dataclass(frozen=True, slots=True)
class PostJournal:
    """Post lines from ``from_seq`` on; None: the store's position is not known yet, ask first."""

    journal_id: str
    from_seq: int | None
    head_seq: int


@dataclass(frozen=True, slots=True)
class AskReceipt:
    segment: Segment


@dataclass(frozen=True, slots=True)
class Upload:
    """``first``: marked, granted priority or pressing. It goes without a grant, and says so to the store (RFC 9218)."""

    segment: Segment
    first: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until_us`` (boot-time; None: until a fact arrives)."""

    until_us: int | None


Action: TypeAlias = PostJournal | AskReceipt | Upload | Wait


@dataclass(frozen=True, slots=True)
class Backlog:
    """``earliest_deadline``: wall seconds, None when nothing waits under a running deadline."""

    segments: int
    bytes: int
    marked: int
    earliest_deadline: float | None


@dataclass(slots=True)
class _Lane:
    """Failures in a row and the time before which the lane rests."""

    attempts: int = 0
    not_before_us: int = 0
    asked_us: int = 0
    """The store itself asked to be left alone until then (``Retry-After``)."""

    def fail(self, now_us: int, delay_s: float, *, asked: bool = False) -> None:
        self.attempts += 1
        self.not_before_us = now_us + round(delay_s * 1e6)
        self.asked_us = self.not_before_us if asked else 0

    def clear(self) -> None:
        self.attempts = 0
        self.not_before_us = 0
        self.asked_us = 0


@dataclass(slots=True)
class _Item:
    segment: Segment
    lane: _Lane
    asking: bool = False
    """All bytes are believed to be at the store: ask for the receipt before sending anything again."""


class UploadQueue:
    """State of everything on its way to the store. One owner (the uploader thread); no locks."""

    def __init__(
        self,
        policy: BackoffPolicy,
        journal_interval_s: float,
        standby_interval_s: float = 0.0,
        links: LinkPolicy | None = None,
        *,
        pressing_s: float = PRESSING_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``standby_interval_s``: the journal's rhythm while there is nothing new but standby, if it is the longer one.
        ``pressing_s``: with less time left a segment waits for no grant. ``patience_s``: of :class:`Turn`."""
        self._links = links or LinkPolicy()
        self._link = Link.NONE
        self._policy = policy
        self.precedence = Precedence(pressing_s)
        self.turn = Turn(patience_s)
        self._blame = Blame()
        self._interval_us = round(journal_interval_s * 1e6)
        self._standby_us = max(self._interval_us, round(standby_interval_s * 1e6))
        self._news = True
        self._open: set[str] = set()
        self._items: dict[str, _Item] = {}
        self._receipts: dict[str, tuple[str, int]] = {}
        self._released: set[str] = set()
        self._store = _Lane()
        self._crowd = _Lane()
        self._anchor = _Lane()
        self._journal_id: str | None = None
        self._head_seq = -1
        self._next_post: int | None = None
        self._posted_us: int | None = None
        self._called_us: int | None = None

    # --- facts -------------------------------------------------------------------------------------------------------

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, Segment):
            self._add(fact)
        elif isinstance(fact, SessionStarted):
            self._open.add(fact.session_id)
        elif isinstance(fact, SessionStopped):
            self._open.discard(fact.session_id)
            self.precedence.apply(fact)
        elif isinstance(fact, Marked | DeadlineMoved | Granted):
            self.precedence.apply(fact)
        elif isinstance(fact, ReceiptWanted):
            self._ask_again({*fact.sessions, *fact.segments})
        elif isinstance(fact, Released):
            self._released.add(fact.segment_id)
            self._items.pop(fact.segment_id, None)
        elif isinstance(fact, JournalGrew):
            self._news = self._news or not fact.idle
            if fact.journal_id != self._journal_id:
                self._next_post = None
                self._news = True
                self._anchor.clear()
            self._journal_id, self._head_seq = fact.journal_id, fact.head_seq
        elif isinstance(fact, JournalReset):
            self._reset()

    def _add(self, segment: Segment) -> None:
        if segment.segment_id in self._released:
            return
        if self._receipts.get(segment.segment_id) == (segment.sha256, segment.size):
            self._items.pop(segment.segment_id, None)
            return
        known = self._items.get(segment.segment_id)
        if known is None or known.segment != segment:
            self._items[segment.segment_id] = _Item(segment, _Lane())

    def _reset(self) -> None:
        self._items.clear()
        self._open.clear()
        self._news = True
        self._released.clear()
        self.precedence.reset()
        self._journal_id, self._head_seq, self._next_post = None, -1, None

    def _ask_again(self, wanted: set[str]) -> None:
        """What has its receipt is no item any more; of the others the store is asked before anything is sent."""
        for item in self._items.values():
            if not wanted.isdisjoint((item.segment.session_id, item.segment.segment_id)):
                item.asking = True
                item.lane.clear()

    def receipted(self, segment_id: str, sha256: str, size: int) -> bool:
        """A receipt that verified is on disk. False when it names other bytes than the journal does: not done."""
        self._receipts[segment_id] = (sha256, size)
        item = self._items.get(segment_id)
        if item is None:
            return True
        if (item.segment.sha256, item.segment.size) != (sha256, size):
            return False
        del self._items[segment_id]
        self._blame.forget(segment_id)
        return True

    # --- outcomes ----------------------------------------------------------------------------------------------------

    def store_answered(self) -> None:
        """The store did what it was asked: whatever kept us away from it is over."""
        self._store.clear()
        self._blame.progress()

    def upload_progressed(self) -> None:
        """The store takes bytes: it is not too busy for us."""
        self._crowd.clear()
        self.store_answered()

    def journal_posted(self, next_seq: int, now_us: int) -> None:
        self._next_post = next_seq
        # More than one batch was waiting: the rest goes at once, the rhythm is for the trickle.
        complete = next_seq > self._head_seq
        self._posted_us = now_us if complete else None
        self._news = self._news and not complete
        self._anchor.clear()
        self.store_answered()
        self._blame.through(JOURNAL)

    def journal_position(self, next_seq: int | None) -> None:
        """The store says where it stands (None: unknown again); nothing was posted."""
        self._next_post = next_seq

    def uploaded(self, segment_id: str) -> None:
        """The store has all bytes, or says it no longer knows the upload: only the receipt can tell."""
        item = self._items.get(segment_id)
        if item is not None:
            item.asking = True
        self.upload_progressed()
        self._blame.through(segment_id)

    def must_upload(self, segment_id: str) -> None:
        """The store has no receipt and not all bytes: send them (again)."""
        item = self._items.get(segment_id)
        if item is not None:
            item.asking = False

    def failed(
        self,
        hold: Hold,
        now_us: int,
        fraction: float,
        *,
        segment_id: str = JOURNAL,
        retry_after_s: float | None = None,
        wall_s: float | None = None,
        blame: bool = False,
    ) -> float:
        """Rest after a fault; returns the pause in seconds. ``hold`` names what rests (see ``faults``). ``segment_id``:
        what was being done (the journal without one). ``blame``: the fault may be of that thing although it looks like
        the store's."""
        deadline = self.backlog().earliest_deadline if wall_s is not None else None
        slack = None if deadline is None or wall_s is None else deadline - wall_s
        if hold == "store" and blame and self._blame.failed(segment_id):
            hold = "segment" if segment_id else "journal"
            # One after the other may fail like this; they must not follow each other without a breath.
            self._store.not_before_us = now_us + round(self._policy.delay_s(1, fraction) * 1e6)
        item = self._items.get(segment_id)
        lane = {"store": self._store, "crowd": self._crowd, "journal": self._anchor}.get(hold)
        if lane is None and hold == "segment" and item is not None:
            lane = item.lane
        if lane is None:
            return 0.0
        delay = self._policy.delay_s(lane.attempts + 1, fraction, retry_after_s, slack)
        lane.fail(now_us, delay, asked=retry_after_s is not None)
        return delay

    def hurry(self, now_us: int, fraction: float) -> None:
        """Something speaks for a new try (store announced itself, credentials changed): within one base interval, still
        jittered, because every unit of the fleet hears the same announcement."""
        soon = now_us + round(self._policy.delay_s(1, fraction) * 1e6)
        for lane in (self._store, self._crowd):
            lane.attempts = 0
            lane.not_before_us = min(lane.not_before_us, soon)

    def called(self, now_us: int) -> None:
        """The store grants a slot: it has chosen who comes, so come at once although it turned us away before. Not when it
        asked to be left alone altogether, and not for every word: a grant is not signed, and a broker that repeats it must
        not have the unit hammer the store."""
        if self._called_us is not None and now_us - self._called_us < CALLED_US:
            return
        self._called_us = now_us
        self._crowd.clear()
        self._store.attempts = 0
        self._store.not_before_us = max(self._store.asked_us, min(self._store.not_before_us, now_us))

    # --- the decision ------------------------------------------------------------------------------------------------

    def link_is(self, link: Link) -> None:
        """The kind of line the store is reached by now."""
        self._link = link

    def _may_go(self, item: _Item, wall_s: float | None) -> bool:
        """Whether the line is one for this segment. A receipt to ask for is small and goes over any."""
        if item.asking or self.precedence.metered(item.segment, wall_s):
            return True
        cargo: Cargo = "marked" if self.precedence.preferred(item.segment, wall_s) else "plain"
        slack_s = None if wall_s is None else self.precedence.due(item.segment, wall_s) - wall_s
        return self._links.allows(self._link, cargo, slack_s)

    def pressing(self, wall_s: float) -> bool:
        """Little time is left to something that has to be sent."""
        return any(self.precedence.pressing_in_s(item.segment, wall_s) <= 0 for item in self._items.values())

    def held(self, wall_s: float) -> int:
        """How many segments wait for a line that costs less."""
        return sum(not self._may_go(item, wall_s) for item in self._items.values())

    def next(self, now_us: int, wall_s: float | None = None) -> Action:
        """``wall_s``: what deadlines are measured by; None: none is near."""
        if now_us < self._store.not_before_us:
            return Wait(self._store.not_before_us)
        due = self._anchor_due_us()
        able = [item for item in self._items.values() if self._may_go(item, wall_s)]
        ready = [item for item in able if item.lane.not_before_us <= now_us]
        free = self.turn.free(now_us) and self._crowd.not_before_us <= now_us
        may = [item for item in ready if item.asking or free or self.precedence.first(item.segment, wall_s)]
        fresh = [item for item in may if not self._blame.tried(item.segment.segment_id)]
        if due is not None and due <= now_us and not (fresh and self._blame.tried(JOURNAL)):
            return self._post()
        if may:
            fresh = fresh or may
            asking = [item for item in fresh if item.asking]
            segment = min(asking or fresh, key=lambda item: self.precedence.rank(item.segment, wall_s)).segment
            return AskReceipt(segment) if asking else Upload(segment, self.precedence.first(segment, wall_s))
        times = [item.lane.not_before_us for item in able if item.lane.not_before_us > now_us]
        if due is not None:
            times.append(due)
        if ready:
            times.append(self._without_grant_us(ready, now_us, wall_s))
        return Wait(min(times, default=None))

    def _without_grant_us(self, held: list[_Item], now_us: int, wall_s: float | None) -> int:
        """When something of what waits for a grant stops waiting for it."""
        free_at = max(self.turn.free_from_us(now_us), self._crowd.not_before_us)
        pressing_s = min(self.precedence.pressing_in_s(item.segment, wall_s) for item in held)
        soonest = now_us + max(1, math.ceil(pressing_s * 1e6)) if math.isfinite(pressing_s) else free_at
        return min(free_at, soonest)

    def anchor_now(self, now_us: int) -> PostJournal | None:
        """The journal post that is due even while a segment is being sent."""
        due = self._anchor_due_us()
        if due is None or due > now_us or now_us < self._store.not_before_us:
            return None
        return self._post()

    def _post(self) -> PostJournal:
        assert self._journal_id is not None
        return PostJournal(self._journal_id, self._next_post, self._head_seq)

    def _anchor_due_us(self) -> int | None:
        if self._journal_id is None or self._head_seq < 0:
            return None
        if self._next_post is not None and self._next_post > self._head_seq:
            return None
        hurried = self._next_post is None or self._posted_us is None
        if not hurried and self._next_post is not None:
            hurried = any(item.asking and item.segment.seq >= self._next_post for item in self._items.values())
        usual = 0 if hurried or self._posted_us is None else self._posted_us + self._rhythm_us()
        return max(usual, self._anchor.not_before_us)

    def _rhythm_us(self) -> int:
        """What is recorded is anchored at the usual rhythm, and so is everything else that is news (a fault, a receipt); a
        unit that only says that it is in standby may say so less often."""
        return self._interval_us if self._news or self._open or self._items else self._standby_us

    def resting(self, now_us: int) -> bool:
        """The store is left alone at the moment."""
        return now_us < self._store.not_before_us

    # --- for the status ----------------------------------------------------------------------------------------------

    @property
    def posted_seq(self) -> int:
        """Last seq the store has acknowledged with a receipt, -1 when none is known."""
        return -1 if self._next_post is None else self._next_post - 1

    @property
    def head_seq(self) -> int:
        return self._head_seq

    @property
    def journal_id(self) -> str | None:
        return self._journal_id

    def jobs(self) -> list[Job]:
        """What is left to send and by when; what only waits for its receipt is not."""
        return [
            Job(item.segment.segment_id, item.segment.size, self.precedence.deadline(item.segment))
            for item in self._items.values()
            if not item.asking
        ]

    def backlog(self) -> Backlog:
        segments = [item.segment for item in self._items.values()]
        deadlines = [value for segment in segments if math.isfinite(value := self.precedence.deadline(segment))]
        return Backlog(
            segments=len(segments),
            bytes=sum(segment.size for segment in segments),
            marked=sum(self.precedence.marked(segment) for segment in segments),
            earliest_deadline=min(deadlines, default=None),
        )
