"""The uploader: asks the queue what is next, does it, tells the queue how it went. One thread, one owner of the queue."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.errands import Errands
from recorder.uplink.facts import Fact, Statement
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import (
    CONNECTION_LOST,
    INTERNAL,
    PROTOCOL,
    STORE_BUSY,
    STORE_ERROR,
    STORE_TIMEOUT,
    Stopped,
    UplinkFault,
)
from recorder.uplink.http import StoreClient
from recorder.uplink.line import Line
from recorder.uplink.link_watch import LinkWatch
from recorder.uplink.queue import Action, AskReceipt, Hold, PostJournal, Upload, UploadQueue, Wait
from recorder.uplink.receipts import Receipt, ReceiptStore
from recorder.uplink.settings import UplinkSettings
from recorder.uplink.statements import StatementBook
from recorder.uplink.turn import MqttState, StoreState, TurnWord

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock  # numpy comes with it: 13 MB this process has no use for

log = logging.getLogger("recorder.uplink")
BLAMED = frozenset({CONNECTION_LOST, INTERNAL, PROTOCOL, STORE_ERROR, STORE_TIMEOUT})
"""Faults of the store that one segment alone, or the journal, may be the cause of."""
LOOK_US = 30_000_000
FIRST = {"Priority": "u=1"}
"""RFC 9218: what waits for no grant asks to be served before the usual (3)."""


@dataclass(frozen=True, slots=True)
class ReceiptKept:
    """A receipt that verified is on disk, wherever it came from."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Hurry:
    """Try the store again soon."""


Inbox: TypeAlias = Fact | ReceiptKept | Hurry | TurnWord | StoreState | MqttState


class Diverted(Exception):
    """The way to the store has changed under an upload: it goes on over the new one, if that is one for it."""


def store_client(settings: UplinkSettings, clock: Clock, dscp: int) -> StoreClient:
    """The real one: HTTPS with the credentials of ``tls_dir``."""
    options = ConnectionOptions(
        settings.connect_timeout_s, settings.io_timeout_s, idle_s=settings.idle_timeout_s, dscp=dscp
    )
    return StoreClient(settings.store_url, Path(settings.tls_dir), options, clock, settings.key_file)


class Uploader:
    """``keep_receipt(receipt, new)`` is called for every receipt that arrives here, on this thread. ``client`` makes a
    connection to the store, its packets marked with the DSCP given; two are held, so that the journal keeps its rhythm
    while a segment is on its way. Only the segments' is marked as bulk: anchors are small, and late ones anchor nothing.
    ``watch`` tells which line the store is reached by.

    One segment at a time, at the dock too: a single connection fills the line and the card (docs/benchmarks.md), and two
    would finish the more urgent one later.
    """

    def __init__(
        self,
        settings: UplinkSettings,
        clock: Clock,
        receipts: ReceiptStore,
        board: FaultBoard,
        fraction: Callable[[], float],
        keep_receipt: Callable[[Receipt, bool], None],
        client: Callable[[UplinkSettings, Clock, int], StoreClient] = store_client,
        watch: LinkWatch | None = None,
    ) -> None:
        self._clock = clock
        self._board = board
        self._fraction = fraction
        self._stop = threading.Event()
        self.inbox: queue.SimpleQueue[Inbox] = queue.SimpleQueue()
        self._queue = UploadQueue(
            BackoffPolicy(settings.backoff_base_s, settings.backoff_max_s),
            settings.journal_interval_s,
            settings.standby_interval_s,
            settings.link_policy,
            pressing_s=settings.pressing_h * 3600,
            patience_s=settings.grant_patience_s,
        )
        self._segments_client = client(settings, clock, settings.dscp)
        self._journal_client = client(settings, clock, 0)
        self._line = Line(
            watch or LinkWatch(settings.link_names),
            settings.max_kb_s,
            lambda: self._queue.pressing(clock.wall_us() / 1e6),
            clock.boottime_us(),
        )
        self._statements = StatementBook(BackoffPolicy(settings.backoff_base_s, settings.backoff_max_s))
        self._errands = Errands(
            settings,
            clock,
            self._segments_client,
            self._journal_client,
            self._queue,
            self._statements,
            receipts,
            board,
            keep_receipt,
            self._answered,
            self._between_blocks,
        )
        self._thread = threading.Thread(target=self._run, name="uploader", daemon=True)
        self._online = False
        self._late: int | None = None
        self._look_again_us = 0
        self.status: dict[str, Any] = self._snapshot()

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Stop at the next block or fail the request under way; True when the thread ended in time. What it was doing
        resumes at the store's offset, so a thread stuck in a name lookup may be left behind."""
        self._stop.set()
        self._segments_client.abort()
        self._journal_client.abort()
        self.inbox.put(Hurry())
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def alive(self) -> bool:
        return self._thread.is_alive()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                waiting = self.turn()
            except Stopped:
                break
            if waiting is not None:
                self._wait(waiting)
        self._segments_client.close()
        self._journal_client.close()

    def turn(self) -> Wait | None:
        """Take what came in and do the next thing; how long to wait when there is none. The thread's loop, or, without
        ``start``, whoever drives the uploader by hand. Raises Stopped."""
        self._drain()
        now_us = self._clock.boottime_us()
        if self._look(now_us):
            # Made over the old way, they would go on over it, or hang if it is gone.
            self._segments_client.close()
            self._journal_client.close()
            self._queue.hurry(now_us, self._fraction())
        action = self._queue.next(now_us, self._clock.wall_us() / 1e6)
        if isinstance(action, Wait | Upload):
            statement = None if self._queue.resting(now_us) else self._statements.next(now_us, self._queue.posted_seq)
            if statement is not None:
                self._do(statement)
                self.status = self._snapshot()
                return None
        if isinstance(action, Wait):
            return self._offer(action, now_us)
        self._do(action)
        self.status = self._snapshot()
        return None

    def _offer(self, action: Wait, now_us: int) -> Wait | None:
        """Nothing else may go: lines to be offered again may, unless the store is left alone."""
        offers = self._errands.offers
        offer = offers.next(self._queue.journal_id, self._queue.posted_seq)
        if offer is None or self._queue.resting(now_us):
            return action
        if offers.not_before_us > now_us:
            due_us = offers.not_before_us
            return Wait(due_us if action.until_us is None else min(due_us, action.until_us))
        self._errands.offer(offer, self._fraction())
        self.status = self._snapshot()
        return None

    def _look(self, now_us: int) -> bool:
        """Whether the store is reached another way than before."""
        changed = self._line.look(now_us, self._segments_client.peer or self._journal_client.peer)
        self._queue.link_is(self._line.way.link)
        return changed

    def _wait(self, action: Wait) -> None:
        self.status = self._snapshot()
        timeout = 1.0
        if action.until_us is not None:
            timeout = min(timeout, max(0.001, (action.until_us - self._clock.boottime_us()) / 1e6))
        try:
            self._take(self.inbox.get(timeout=timeout))
        except queue.Empty:
            return

    def _drain(self) -> None:
        while True:
            try:
                self._take(self.inbox.get_nowait())
            except queue.Empty:
                return

    def _take(self, item: Inbox) -> None:
        if isinstance(item, ReceiptKept):
            self._errands.settle(item.receipt)
        elif isinstance(item, Hurry):
            self._segments_client.close()
            self._journal_client.close()
            self._queue.hurry(self._clock.boottime_us(), self._fraction())
        elif isinstance(item, TurnWord | StoreState | MqttState):
            self._turn(item)
        else:
            self._queue.apply(item)
            self._statements.apply(item)
            self._errands.offers.apply(item)

    def _turn(self, item: TurnWord | StoreState | MqttState) -> None:
        now, fraction = self._clock.boottime_us(), self._fraction()
        if isinstance(item, TurnWord):
            self._queue.turn.told(item, now, fraction)
            if item.for_s > 0:
                self._queue.called(now)
        elif isinstance(item, StoreState):
            self._queue.turn.store(item, now, fraction)
        else:
            self._queue.turn.mqtt(item, now, fraction)

    def _do(self, action: Action | Statement) -> None:
        lane: tuple[str, str] = ("journal", "")
        try:
            if isinstance(action, PostJournal):
                self._errands.post(action)
            elif isinstance(action, Upload):
                lane = ("segment" if action.first else "crowd", action.segment.segment_id)
                self._errands.upload(action.segment, FIRST if action.first else {})
            elif isinstance(action, AskReceipt):
                lane = ("segment", action.segment.segment_id)
                self._errands.ask(action.segment)
            elif isinstance(action, Statement):
                lane = ("statement", action.statement_id)
                self._errands.send_statement(action)
        except UplinkFault as fault:
            self._failed(fault, *lane)
        except Diverted:
            self._queue.hurry(self._clock.boottime_us(), self._fraction())
        except Stopped:
            raise
        except Exception as error:
            # A mistake of ours must neither end the thread nor spin: it is a fault like any other.
            log.exception("uplink.internal")
            self._failed(UplinkFault(INTERNAL, f"{type(error).__name__}: {error}"), *lane)

    def _failed(self, fault: UplinkFault, lane: str, segment_id: str) -> None:
        """A fault of the store rests everything; any other rests what was being done. A store too busy for an upload of the
        ``crowd`` may well take the journal and what is marked or presses (docs/wire.md)."""
        now = self._clock.boottime_us()
        to_store = fault.kind.hold == "store"
        if lane == "journal":
            self._queue.journal_position(None)  # whether the last post took effect is not known: ask
        hold: Hold = "store" if to_store else "journal" if lane == "journal" else "segment"
        if lane == "crowd" and fault.kind is STORE_BUSY:
            hold = "crowd"
        if lane == "statement" and not to_store:
            pause = self._statements.failed(segment_id, now, self._fraction(), fault.retry_after_s)
        else:
            pause = self._queue.failed(
                hold,
                now,
                self._fraction(),
                segment_id=segment_id,
                retry_after_s=fault.retry_after_s,
                wall_s=self._clock.wall_us() / 1e6,
                blame=fault.kind in BLAMED,
            )
        if to_store:
            self._online = False
        self._board.report("store" if to_store else segment_id or "journal", fault, retry_in_s=round(pause, 3))

    def _answered(self) -> None:
        self._online = True
        self._queue.store_answered()
        self._board.clear("store")

    def _between_blocks(self) -> None:
        """While a segment is being sent the journal keeps its rhythm: it anchors, and a slow link takes minutes."""
        if self._stop.is_set():
            raise Stopped
        self._drain_quietly()
        now_us = self._clock.boottime_us()
        if self._look(now_us):
            self._journal_client.close()
            raise Diverted
        pause_s = self._line.pause_s(self._segments_client.body_bytes_sent, now_us)
        if pause_s > 0 and self._stop.wait(pause_s):
            raise Stopped
        due = self._queue.anchor_now(self._clock.boottime_us())
        if due is not None:
            self._do(due)
            self.status = self._snapshot()

    def _drain_quietly(self) -> None:
        """Like ``_drain``, but the connection in use is not closed under the upload."""
        while True:
            try:
                item = self.inbox.get_nowait()
            except queue.Empty:
                return
            if not isinstance(item, Hurry):
                self._take(item)

    # --- for the status ----------------------------------------------------------------------------------------------

    def _foresee(self) -> None:
        """Whether the deadlines will be met, at most every ``LOOK_US``: a backlog of thousands takes a while to order."""
        now = self._clock.boottime_us()
        if now >= self._look_again_us:
            self._look_again_us = now + LOOK_US
            self._late = self._errands.goodput.late(self._queue.jobs(), self._clock.wall_us() / 1e6)

    def _snapshot(self) -> dict[str, Any]:
        self._foresee()
        rate = self._errands.goodput.rate()
        backlog = self._queue.backlog()
        return {
            "online": self._online,
            "journal_id": self._queue.journal_id,
            "head_seq": self._queue.head_seq,
            "posted_seq": self._queue.posted_seq,
            "uploading": self._errands.active,
            "slot": self._queue.turn.slot(self._clock.boottime_us()),
            "receipted": self._errands.receipted,
            "statements": self._statements.waiting,
            "bytes_sent": self._segments_client.body_bytes_sent,
            "pace": {"rate": None if rate is None else round(rate), "late_segments": self._late},
            "link": {
                "interface": self._line.way.interface,
                "class": self._line.way.link.value,
                "held": self._queue.held(self._clock.wall_us() / 1e6),
            },
            "backlog": {
                "segments": backlog.segments,
                "bytes": backlog.bytes,
                "marked": backlog.marked,
                "earliest_deadline": backlog.earliest_deadline,
            },
        }
