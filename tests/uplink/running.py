"""The uploader thread of a test, and the line it believes to be on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.ports import Clock
from recorder.evidence.files import OsFiles
from recorder.uplink.facts import Fact, JournalGrew, Segment
from recorder.uplink.fault_board import FaultBoard
from recorder.uplink.http import StoreClient
from recorder.uplink.link_watch import LinkWatch, Way
from recorder.uplink.links import LinkNames
from recorder.uplink.receipts import Receipt, ReceiptStore
from recorder.uplink.settings import UplinkSettings
from recorder.uplink.uploader import Uploader, store_client
from tests.uplink.fake_store import FakeStore
from tests.uplink.unit_files import UnitFiles


class Running:
    def __init__(
        self,
        store: FakeStore,
        settings: UplinkSettings,
        clock: Clock,
        unit: UnitFiles,
        watch: LinkWatch | None = None,
        client: Callable[[UplinkSettings, Clock, int], StoreClient] = store_client,
    ) -> None:
        self.store, self.unit, self.clock = store, unit, clock
        self.board = FaultBoard(clock)
        self.seen: list[Receipt] = []
        self.receipt_files = ReceiptStore(settings.receipts_dir, Path(settings.trust_dir), settings.unit_id, OsFiles())
        self.receipts_dir = settings.receipts_dir
        self.uploader = Uploader(
            settings,
            clock,
            self.receipt_files,
            self.board,
            lambda: 0.1,
            lambda receipt, _new: self.seen.append(receipt),
            client,
            watch or LinkWatch(LinkNames(), Path("/nonexistent")),
        )

    def give(self, *facts: Fact) -> None:
        for fact in facts:
            self.uploader.inbox.put(fact)
        self.uploader.inbox.put(JournalGrew(self.unit.journal_id, self.unit.seq - 1))

    def until(self, what: Callable[[], bool], timeout_s: float = 15.0) -> None:
        tick = threading.Event()
        deadline = self.clock.boottime_us() + round(timeout_s * 1e6)
        while not what():
            assert self.clock.boottime_us() < deadline, (self.uploader.status, self.board.active())
            tick.wait(0.02)

    def done(self, *segments: Segment) -> Callable[[], bool]:
        return lambda: {s.segment_id for s in segments} <= {c.segment_id for r in self.seen for c in r.segments}

    def codes(self) -> list[str]:
        return [entry["code"] for entry in self.board.recent()]


class Watch(LinkWatch):
    """The line as the test says."""

    def __init__(self, *ways: Way) -> None:
        super().__init__(LinkNames(), Path("/nonexistent"))
        self.way, *self.later = ways
        self.turn = False

    def look(self, now_us: int, peer: str | None) -> bool:
        del now_us, peer
        if not self.turn or not self.later:
            return False
        self.turn = False
        self.way = self.later.pop(0)
        return True
