"""SIGKILL of the ingest service and of the S3 engine at random moments of uploads: everything is stored once and right."""

from __future__ import annotations

import http.client
import os
import random
import threading
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from hw_sim.agency.objects.ports import Content, ObjectStore, ObjectStoreError, StoredVersion
from tests.hw_sim.agency.objects.engines import S3Stores, SeaweedEngine
from tests.hw_sim.agency.test_store_journal import believed
from tests.hw_sim.agency.unit_double import DoubleSegment, UnitDouble
from tests.support import leave_to_ci, tier

ROUNDS = {"quick": 1, "ci": 4, "nightly": 60}
READ_WITHIN_US = 60_000_000


class Sender(threading.Thread):
    """One unit: posts its journal and uploads until everything is receipted, whatever dies on the way."""

    def __init__(self, unit: UnitDouble, segments: list[DoubleSegment]) -> None:
        super().__init__(daemon=True)
        self.unit = unit
        self.segments = segments
        self.receipts: dict[str, str] = {}
        self.progress = threading.Event()
        self.broken = 0
        self._pause = threading.Event()

    def run(self) -> None:
        while len(self.receipts) < len(self.segments):
            try:
                self.unit.post(0)
                for segment in self.segments:
                    self._one(segment)
            except (OSError, http.client.HTTPException):
                self.broken += 1
            self._pause.wait(0.2)

    def _one(self, segment: DoubleSegment) -> None:
        if segment.segment_id in self.receipts:
            return
        created = self.unit.create(segment)
        self.progress.set()
        if created.status == 201 and created.offset < len(segment.data):
            self.unit.patch(created.headers["location"], created.offset, segment.data[created.offset :])
        answer = self.unit.receipt(segment)
        if answer.status == 200:
            self.receipts[segment.segment_id] = answer.body.decode()


@pytest.mark.kill
@pytest.mark.timeout(900)
def test_kills_of_engine_and_ingest_store_everything_once(
    seaweed: SeaweedEngine,
    authority: Authority,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    leave_to_ci("连同存储引擎的随机断电 kills of engine and ingest, 20 s")
    seed = int(os.environ.get("KILL_SEED", "20191201"))
    rounds, rnd, moment = ROUNDS[tier()], random.Random(seed), threading.Event()
    seaweed.start()
    url = seaweed.url()
    store = StoreProcess(
        tmp_path, tmp_path / "root", authority, SystemClock(), ("--objects", url, "--reserve-mb", "16")
    )
    store.start()
    request.addfinalizer(store.kill)
    unit = UnitDouble.enrolled(authority, f"zfy-kill{seed}", tmp_path / "unit", store.port)
    unit.write_boot()
    kills: list[str] = []
    for _ in range(rounds):
        segments = [unit.segment(rnd.randint(100_000, 3_000_000)) for _ in range(4)]
        for segment in segments:
            unit.close(segment)
        sender = Sender(unit, segments)
        sender.start()
        sender.progress.wait(60)
        for victim in rnd.sample(("ingest", "engine"), rnd.randint(1, 2)):
            moment.wait(rnd.uniform(0.0, 0.4))
            kills.append(victim)
            if victim == "ingest":
                store.kill()
            else:
                seaweed.weed.kill()
        seaweed.weed.start()
        store.kill()
        store.start()
        sender.join(120)
        assert not sender.is_alive(), f"seed {seed}: {len(sender.receipts)} of {len(segments)} receipted"
        _all_once(authority, seaweed.stores, url, sender)
    store.stop()
    with capsys.disabled():
        print(f"\nkills {kills}, seed {seed}")  # noqa: T201


def _reachable(objects: ObjectStore, version: StoredVersion, clock: Clock) -> Content:
    """Read back, once the engine can: just started, it answers before its volumes have announced themselves."""
    pause, until_us = threading.Event(), clock.boottime_us() + READ_WITHIN_US
    while True:
        try:
            return objects.digest_of(version)
        except ObjectStoreError:
            if clock.boottime_us() > until_us:
                raise
        pause.wait(0.5)


def _all_once(authority: Authority, stores: S3Stores, url: str, sender: Sender) -> None:
    objects = stores.new(url.rpartition("/")[2])
    for segment in sender.segments:
        receipt = believed(authority, sender.receipts[segment.segment_id])
        (stored,) = [item for item in receipt.segments if item.segment_id == segment.segment_id]
        version = StoredVersion(stored.object, stored.version)
        assert _reachable(objects, version, SystemClock()) == Content(segment.sha256, len(segment.data))
        assert objects.lock_of(version).mode == stored.lock_mode == "compliance"
        assert [found.version for found in objects.versions(stored.object)] == [stored.version]
