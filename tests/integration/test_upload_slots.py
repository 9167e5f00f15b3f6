"""One upload slot, two real uplinks, a real broker, a real store: who is refused waits until the other gives it up.

What waits for no slot (marked evidence) goes at once; nothing is late."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from recorder.evidence.enrol import device_chain_file, device_key_file, install, make_requests
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import load_or_create
from recorder.uplink.facts import Segment
from recorder.uplink.precedence import STATUTORY_S
from tests.support import require_program
from tests.uplink.settings_builder import quick_settings
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import UplinkProcess

MB = 1_000_000
SLOTS = 1


@dataclass
class Unit:
    unit_id: str
    files: UnitFiles
    process: UplinkProcess

    @classmethod
    def enrolled(cls, agency: Agency, unit_id: str, folder: Path, clock: SystemClock) -> Unit:
        data, tls, trust, bundle = (folder / name for name in ("data", "tls", "trust", "bundle"))
        (folder / "run").mkdir(parents=True)
        make_requests(unit_id, data, tls, bundle, OsFiles())
        agency.answer_enrolment(unit_id, bundle)
        install(unit_id, data, tls, trust, bundle, OsFiles())
        files = UnitFiles(
            data, seed=int(unit_id[-1]), signer=load_or_create(device_key_file(data), device_chain_file(data))
        )
        files.wall = clock.wall_us() / 1e6
        files.boot(unit_id)
        settings = quick_settings(
            unit_id=unit_id,
            data_dir=str(data),
            run_dir=str(folder / "run"),
            trust_dir=str(trust),
            tls_dir=str(tls),
            store_url=agency.store_url,
            mqtt_enabled=True,
            mqtt_host=agency.mqtt_host,
            mqtt_port=agency.mqtt_port,
            grant_patience_s=300.0,
        )
        return cls(unit_id, files, UplinkProcess(settings, clock, folder / "uplink.log"))

    def slot(self) -> str:
        return str(self.process.status().get("slot", ""))

    def done(self) -> bool:
        return bool(self.process.status()["backlog"]["segments"] == 0)


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    require_program("mosquitto")
    with Agency(tmp_path / "agency", slots=SLOTS) as made:
        yield made


def stored(agency: Agency) -> list[tuple[str, float]]:
    """(segment, when), in the order in which the store registered them."""
    with closing(sqlite3.connect(f"file:{agency.store_root / 'store.db'}?mode=ro", uri=True)) as db:
        return [
            (str(row[0]), float(row[1]))
            for row in db.execute("SELECT segment_id, stored_at FROM object ORDER BY rowid")
        ]


@pytest.mark.timeout(120)
def test_a_unit_that_is_refused_a_slot_waits_until_the_other_gives_it_up(agency: Agency, tmp_path: Path) -> None:
    clock = SystemClock()
    first, second = (Unit.enrolled(agency, f"zfy-00000{n}", tmp_path / str(n), clock) for n in (1, 2))
    theirs = [first.files.segment(2 * MB) for _ in range(4)]
    plain = [second.files.segment(MB) for _ in range(2)]
    marked = second.files.segment(MB)
    agency.store_proxy.mode("refuse")  # nothing may be sent before both have been told whose turn it is
    try:
        first.process.start()
        first.process.until(lambda: first.slot() == "granted")
        second.process.start()
        second.process.until(lambda: second.slot() == "waiting" and second.process.status()["mqtt_connected"])
        second.files.record(
            "mark",
            mark_id=second.files.new_id(),
            session_id=marked.session_id,
            kind="key",
            at_us=1,
            segment_ids=[marked.segment_id],
        )
        agency.store_proxy.slow(2 * MB)  # four seconds for the first unit's
        agency.store_proxy.mode("ok")
        second.process.until(lambda: second.process.status()["backlog"]["segments"] == len(plain))
        assert second.slot() == "waiting", "marked evidence waits for no slot, and gives no right to one either"
        assert not first.done()
        first.process.until(first.done)
        second.process.until(second.done, 60)
        assert (first.process.terminate(), second.process.terminate()) == (0, 0)
    finally:
        first.process.kill()
        second.process.kill()
    order = [segment_id for segment_id, _ in stored(agency)]
    assert sorted(order) == sorted(each.segment_id for each in (*theirs, *plain, marked)), "each once"

    def place(segment: Segment) -> int:
        return order.index(segment.segment_id)

    assert place(marked) < min(map(place, plain)), "marked evidence first"
    assert place(marked) < max(map(place, theirs)), "while the other had the only slot"
    assert max(map(place, theirs)) < min(map(place, plain)), "and the rest after it was given up"
    oldest = first.files.wall
    assert oldest is not None and all(at < oldest + STATUTORY_S for _, at in stored(agency)), "nothing late"
    assert agency.alarms() == []
