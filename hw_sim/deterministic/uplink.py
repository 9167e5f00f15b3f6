"""The uplink process without threads: the real journal tail, queue, uploader, posts and receipts, driven turn by turn."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from hw_sim.deterministic.clocks import UnitClock
from hw_sim.deterministic.disk import SimulatedDisk
from hw_sim.deterministic.network import Network, SimulatedClient
from hw_sim.deterministic.timeline import SECOND, Life, Timeline
from recorder.config.models import RecorderConfig
from recorder.uplink.facts import ReceiptRecorded
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.faults import INTERNAL, UplinkFault
from recorder.uplink.journal_tail import JournalTail
from recorder.uplink.link_watch import LinkWatch
from recorder.uplink.links import LinkNames
from recorder.uplink.receipt_book import ReceiptBook
from recorder.uplink.receipts import Receipt, ReceiptStore
from recorder.uplink.settings import settings_of
from recorder.uplink.uploader import Inbox, ReceiptKept, Uploader

TICK_US = 2 * SECOND
SHORTEST_US = 20_000


class SimulatedUplink:
    """One life of the uplink. ``tell``: a receipt's id to the unit process; False when that is away."""

    def __init__(
        self,
        timeline: Timeline,
        rnd: random.Random,
        clock: UnitClock,
        config: RecorderConfig,
        disk: SimulatedDisk,
        network: Network,
        tell: Callable[[str], bool],
        durable: Callable[[], int | None],
    ) -> None:
        settings = settings_of(config)
        self.life = Life()
        self._timeline = timeline
        self._clock = clock
        self._network = network
        self._tell = tell
        self._disk = disk
        self._journal_dir = settings.journal_dir
        self._book = ReceiptBook()
        self._tail = JournalTail(settings.journal_dir, durable)
        self._held_back: list[Inbox] | None = []
        self.board = FaultBoard(clock)
        receipts = ReceiptStore(settings.receipts_dir, Path(settings.trust_dir), settings.unit_id, disk)
        self._uploader = Uploader(
            settings,
            clock,
            receipts,
            self.board,
            rnd.random,
            self._kept,
            lambda *_: SimulatedClient(network, clock),
            LinkWatch(LinkNames(), Path("/nonexistent")),
        )
        for receipt in receipts.stored()[0]:
            self._book.kept(receipt)
            self._uploader.inbox.put(ReceiptKept(receipt))
        timeline.after(rnd.randint(200_000, 2 * SECOND), self._turn, self.life)

    @property
    def backlog(self) -> int:
        """Segments without a receipt, and journal lines not posted."""
        status = self._uploader.status
        return int(status["backlog"]["segments"]) + int(status["head_seq"]) - int(status["posted_seq"])

    def internal_errors(self) -> list[str]:
        """Mistakes of the uplink's own code."""
        return [str(entry) for entry in self.board.recent() if entry["code"] == INTERNAL.code]

    def _kept(self, receipt: Receipt, new: bool) -> None:
        if new:
            self._book.kept(receipt)

    def _turn(self) -> None:
        self._follow()
        for receipt_id in self._book.to_tell(self._clock.boottime_us()):
            if not self._tell(receipt_id):
                self._book.unit_away(self._clock.boottime_us())
                break
            self._book.told(receipt_id)
        waiting = self._uploader.turn()
        pause = SHORTEST_US + self._network.take_spent_us() + self._disk.take_spent_us()
        if waiting is not None:
            until = TICK_US if waiting.until_us is None else waiting.until_us - self._clock.boottime_us()
            pause = max(pause, min(TICK_US, until))
        self._timeline.after(pause, self._turn, self.life)

    def _follow(self) -> None:
        """As ``UplinkProcess`` follows the journal: order needs the whole of it before the first upload."""
        if not self._disk.reader_synced(self._journal_dir):  # which is what the tail's fdatasync does, were this a disk
            return
        events, caught_up = self._tail.poll()
        for event in events:
            if isinstance(event, UplinkFault):
                self.board.report("journal-file", event)
                continue
            if isinstance(event, ReceiptRecorded):
                self._book.recorded(event.receipt_id)
            if self._held_back is not None:
                self._held_back.append(event)
            else:
                self._uploader.inbox.put(event)
        if caught_up and self._held_back is not None:
            waiting, self._held_back = self._held_back, None
            for item in waiting:
                self._uploader.inbox.put(item)
