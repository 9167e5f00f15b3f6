"""Announcements of the real uplink to the real store: whoever is killed, and whenever, none is lost and none counts twice.

``KILLS`` (6; 24 with ``./dev test --rabbitmq`` and at night) and ``KILL_SEED`` replay a run of random kills.
"""

from __future__ import annotations

import os
import queue
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from recorder.uplink.settings import UplinkSettings
from tests.brokers.party import party, store
from tests.brokers.under_test import BrokerUnderTest, Fleet
from tests.hw_sim.agency.unit_double import UnitDouble
from tests.support import tier
from tests.uplink.settings_builder import quick_settings
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import UplinkProcess

MESSAGES = 300
DONE_S = 240.0


class Line:
    """A unit's uplink, a broker and a store: three processes that can be killed."""

    def __init__(self, broker: BrokerUnderTest, fleet: Fleet, folder: Path, clock: SystemClock) -> None:
        self.broker = broker
        self.unit: UnitDouble = fleet.unit()
        self.files = UnitFiles(folder / "data")
        self.files.record("boot", unit_id=self.unit.unit_id)
        mqtt = ("--mqtt", f"127.0.0.1:{broker.port}")
        self.store = StoreProcess(folder / "store", folder / "store/root", fleet.authority, clock, mqtt)
        self.uplink = UplinkProcess(self._settings(folder, fleet), clock, folder / "uplink.log")

    def _settings(self, folder: Path, fleet: Fleet) -> UplinkSettings:
        (folder / "run").mkdir()
        return quick_settings(
            unit_id=self.unit.unit_id,
            data_dir=str(folder / "data"),
            run_dir=str(folder / "run"),
            trust_dir=str(fleet.authority.trust_dir),
            uplink_enabled=False,
            tls_dir=str(self.unit.directory),
            journal_interval_s=0.1,
            standby_interval_s=0.1,
            backoff_max_s=0.5,
            mqtt_enabled=True,
            mqtt_host="127.0.0.1",
            mqtt_port=self.broker.port,
            mqtt_keepalive_s=5,
            mqtt_status_interval_s=30.0,
        )

    def record(self, count: int) -> None:
        for _ in range(count):
            self.files.segment(10)

    def announced(self) -> list[str]:
        """What the store has committed, by message id, in the order of arrival."""
        with sqlite3.connect(f"file:{self.store.root / 'store.db'}?mode=ro", uri=True) as db:
            rows = db.execute(
                "SELECT msg_id FROM announcement WHERE unit_id = ? ORDER BY rowid", [self.unit.unit_id]
            ).fetchall()
        db.close()
        return [str(row[0]) for row in rows]

    def wanted(self) -> set[str]:
        closes = range(3, self.files.seq, 3)  # boot, then open, head and close of each segment
        return {f"{self.files.journal_id}:{seq}" for seq in closes}

    def until_all_is_acknowledged(self) -> None:
        def done() -> bool:
            status = self.uplink.status()
            return status.get("mqtt_unacknowledged") == 0 and status.get("head_seq") == self.files.seq - 1

        self.uplink.until(done, DONE_S)

    def close(self) -> None:
        self.uplink.kill()
        self.store.stop()


@pytest.fixture
def line(broker: BrokerUnderTest, fleet: Fleet, tmp_path: Path, clock: SystemClock) -> Iterator[Line]:
    made = Line(broker, fleet, tmp_path, clock)
    yield made
    made.close()


def check(line: Line) -> None:
    found = line.announced()
    assert len(found) == len(set(found)), "an announcement counted twice"
    assert set(found) == line.wanted()


def test_a_broker_that_dies_with_what_it_acknowledged_costs_nothing(line: Line) -> None:
    """The store is away, so what the broker acknowledged waits in it; then it dies, and the store comes back."""
    line.store.start()
    line.store.kill()
    line.record(MESSAGES)
    line.uplink.start()
    line.uplink.until(lambda: line.uplink.status().get("mqtt_connected") is True)
    assert line.uplink.status()["mqtt_unacknowledged"] == MESSAGES
    threading.Event().wait(0.5)
    line.broker.kill()
    line.broker.start()
    line.store.start()
    line.until_all_is_acknowledged()
    check(line)


def test_what_a_puback_is_worth_is_known(broker: BrokerUnderTest, fleet: Fleet) -> None:
    """docs/brokers.md says which broker keeps what it acknowledged; the outbox rests on none of them."""
    unit = fleet.unit()
    topic = f"fleet/v1/{unit.unit_id}/up/announce"
    with store(broker, fleet, session_s=600) as leaving:
        leaving.subscribe(topic)
    with party(broker, unit) as sender:
        for number in range(MESSAGES):
            sender.send(topic, str(number).encode())
        broker.kill()
    broker.start()
    kept = 0
    with store(broker, fleet) as back:
        back.subscribe(topic)
        try:
            while True:
                back.receive(topic, timeout_s=3.0)
                kept += 1
        except queue.Empty:
            pass
    click.echo(f"{broker.name}: {kept} of {MESSAGES} acknowledged messages after SIGKILL")
    assert kept == MESSAGES or not broker.keeps_what_it_acknowledged


@pytest.mark.kill
def test_random_kills_of_unit_broker_and_store_lose_and_double_nothing(line: Line) -> None:
    whole = "brokers" in os.environ.get("RECORDER_WHOLE", "").split() or tier() == "nightly"
    kills = int(os.environ.get("KILLS", "24" if whole else "6"))
    seed = int(os.environ.get("KILL_SEED", "20191201"))
    rnd = random.Random(seed)
    click.echo(f"KILLS={kills} KILL_SEED={seed} {line.broker.name}")
    pause = threading.Event()
    line.store.start()
    line.uplink.start()
    for number in range(kills):
        line.record(rnd.randint(5, 25))
        pause.wait(rnd.uniform(0.0, 1.0))
        victim = ("uplink", "broker", "store")[number] if number < 3 else rnd.choice(("uplink", "broker", "store"))
        if victim == "uplink":
            line.uplink.kill()
            line.uplink.start()
        elif victim == "broker":
            line.broker.kill()
            pause.wait(rnd.uniform(0.0, 0.5))
            line.broker.start()
        else:
            line.store.kill()
            pause.wait(rnd.uniform(0.0, 0.5))
            line.store.start()
    line.until_all_is_acknowledged()
    check(line)
    assert line.uplink.terminate() == 0
