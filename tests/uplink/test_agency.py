"""The uplink against the simulated agency: real store, real broker, the line between them failing in every way."""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import Agency
from recorder.evidence.enrol import device_chain_file, device_key_file, install, make_requests
from recorder.evidence.files import OsFiles
from recorder.evidence.signer import load_or_create
from recorder.uplink.facts import Segment
from recorder.uplink.settings import UplinkSettings
from tests.support import require_program
from tests.uplink.pki import UNIT
from tests.uplink.unit_files import UnitFiles
from tests.uplink.uplink_process import UplinkProcess

MB = 1_000_000
HOLD_PER_FAULT = 500_000
"""Design §10: bytes sent twice per fault."""


@dataclass
class Field:
    """One unit in the field and its agency."""

    agency: Agency
    unit: UnitFiles
    process: UplinkProcess

    def stored(self, segment: Segment) -> Path:
        return next(iter(self.agency.store_root.glob(f"*/*/segments/*/{segment.segment_id}.*")), Path("/nowhere"))

    def receipted(self, *segments: Segment) -> bool:
        status = self.process.status()
        if status.get("pid") != self.process.child.pid or status["backlog"]["segments"]:
            return False
        return bool(status["posted_seq"] >= max(segment.seq for segment in segments))

    def check(self, *segments: Segment) -> None:
        """Bytes equal, nothing doubled, the journal whole."""
        for segment in segments:
            assert self.stored(segment).read_bytes() == self.unit.path(segment).read_bytes()
        objects = [path for path in self.agency.store_root.glob("*/*/segments/*/*") if path.is_file()]
        assert len(objects) == len(segments)
        journal = b"".join(path.read_bytes() for path in sorted(self.agency.store_root.glob("*/*/journal/*.jws")))
        assert journal == b"".join(self.unit.lines)
        assert self.agency.alarms() == []

    def sent(self) -> int:
        return self.agency.store_proxy.bytes_up


@pytest.fixture
def field(tmp_path: Path, settings: UplinkSettings, clock: Clock) -> Iterator[Field]:
    require_program("mosquitto")
    data, tls, trust, bundle = (tmp_path / name for name in ("data", "tls", "trust", "bundle"))
    files = OsFiles()
    make_requests(UNIT, data, tls, bundle, files)
    with Agency(tmp_path / "agency") as agency:
        agency.answer_enrolment(UNIT, bundle)
        install(UNIT, data, tls, trust, bundle, files)
        unit = UnitFiles(data, signer=load_or_create(device_key_file(data), device_chain_file(data)))
        unit.boot(UNIT)
        process = UplinkProcess(
            dataclasses.replace(
                settings,
                store_url=agency.store_url,
                tls_dir=str(tls),
                trust_dir=str(trust),
                mqtt_enabled=True,
                mqtt_host=agency.mqtt_host,
                mqtt_port=agency.mqtt_port,
            ),
            clock,
            tmp_path / "uplink.log",
        )
        try:
            yield Field(agency, unit, process)
        finally:
            process.kill()


def test_segments_journal_and_announcements_reach_the_store(field: Field) -> None:
    segments = [field.unit.segment(2 * MB), field.unit.segment(3 * MB, close="recovery")]
    field.process.start()
    field.process.until(lambda: field.receipted(*segments))
    later = field.unit.segment(MB)
    field.process.until(lambda: field.receipted(*segments, later))
    field.process.until(lambda: field.process.status()["mqtt_connected"])
    field.process.until(lambda: field.process.status()["mqtt_unacknowledged"] == 0)
    field.check(*segments, later)
    assert field.process.codes() <= {"unit-away", "receipt-pending"}
    assert field.process.terminate() == 0


def test_a_line_that_breaks_every_megabyte(field: Field) -> None:
    """6 MB/s, the rate at which the hold was defined: each break costs at most half a megabyte. (On an unbounded loopback
    the store's receive buffer takes in megabytes that a reset then throws away; no radio link does that.)"""
    segment = field.unit.segment(12 * MB)
    field.agency.store_proxy.slow(6 * MB)
    field.agency.store_proxy.cut_after(MB)
    field.process.start()
    field.process.until(lambda: field.receipted(segment), 120)
    faults = field.agency.store_proxy.resets
    # What the uplink gave to its kernel: counts what died in buffers on either side of the break.
    extra = field.process.status()["bytes_sent"] - segment.size
    field.check(segment)
    assert faults >= 8
    assert extra <= HOLD_PER_FAULT * faults, f"{extra} bytes over {faults} faults"


@pytest.mark.parametrize("mode", ["off", "stuck"])
def test_an_outage_of_the_line_is_survived(field: Field, mode: str) -> None:
    segment = field.unit.segment(20 * MB)
    field.agency.store_proxy.slow(5 * MB)
    field.process.start()
    field.process.until(lambda: field.sent() > 5 * MB)
    field.agency.network(mode)
    field.process.until(lambda: field.process.status()["online"] is False)
    field.agency.network("ok")
    field.agency.store_proxy.slow(None)
    field.process.until(lambda: field.receipted(segment), 60)
    field.check(segment)
    assert field.process.status()["bytes_sent"] - segment.size <= HOLD_PER_FAULT * 2


@pytest.mark.kill
def test_sigkill_on_either_side_at_random_moments(field: Field) -> None:
    seed = int(os.environ.get("KILL_SEED", "20191201"))
    rounds = 30 if os.environ.get("CI") == "true" else 6
    rnd = random.Random(seed)
    segments = [field.unit.segment(8 * MB) for _ in range(3)]
    total = sum(segment.size for segment in segments)
    field.agency.store_proxy.slow(12 * MB)
    field.process.start()
    kills_of_store = 0
    for number in range(rounds):
        mark = round(total * (number + rnd.random()) / rounds)
        field.process.until(lambda mark=mark: field.sent() >= mark, 60)  # type: ignore[misc]  # mark is bound now
        if rnd.random() < 0.5:
            field.process.kill()
            field.process.start()
        else:
            kills_of_store += 1
            field.agency.kill_store()
            field.agency.start_store()
    field.agency.store_proxy.slow(None)
    field.process.until(lambda: field.receipted(*segments), 120)
    field.check(*segments)
    waste = field.sent() - total
    # The store syncs every 8 MiB: what it had not synced when it died it may ask for again.
    allowed = rounds * HOLD_PER_FAULT + kills_of_store * 8 * 1024 * 1024 + 500_000
    assert waste <= allowed, f"KILL_SEED={seed}: {waste} bytes sent twice, {kills_of_store} kills of the store"


def test_a_fork_is_an_alarm_and_no_receipt(field: Field) -> None:
    """A unit restored from an old copy writes other lines under numbers the store already has."""
    field.unit.record("event", event="one")
    field.process.start()
    field.process.until(lambda: field.process.status().get("posted_seq") == 1)
    field.process.kill()
    last = field.unit.lines.pop()
    field.unit.file.write_bytes(field.unit.file.read_bytes().removesuffix(last))
    field.unit.seq -= 1
    field.unit.wall += 5
    field.unit.record("event", event="another one")
    field.process.start()
    field.process.until(lambda: "journal-fork" in field.process.codes())
    assert field.process.status()["posted_seq"] == -1
    assert any("fork" in str(alarm) for alarm in field.agency.alarms())
    assert field.process.terminate() == 0


def test_the_document_of_a_written_statement_reaches_the_store_after_its_record(field: Field) -> None:
    """And one the card has lost is a fault that holds nothing else up."""
    data, lost = os.urandom(2 * MB), field.unit.new_id()
    named = field.unit.statement(data)
    field.unit.statement(b"gone", statement_id=lost, keep=False)
    segment = field.unit.segment(MB)
    field.process.start()
    field.process.until(lambda: field.receipted(segment))
    field.process.until(lambda: field.process.status()["statements"] == 1)
    field.process.until(lambda: "statement-missing" in field.process.codes())
    (path,) = field.agency.store_root.glob("*/*/statements/*")
    assert path.name == f"{named}.document.age"
    assert path.read_bytes() == data
    field.check(segment)
    # A new process has the receipt on its disk and asks for nothing.
    assert field.process.terminate() == 0
    sent = field.sent()
    field.process.start()
    field.process.until(lambda: field.process.status()["statements"] == 1 and field.receipted(segment))
    assert field.sent() - sent < MB
    assert field.process.terminate() == 0


def test_a_journal_with_a_lost_file_goes_on_behind_it_and_the_agency_is_told(field: Field) -> None:
    """A card that loses a file must not keep what came after it from the store: nothing could be released any more."""
    unit = field.unit
    before = unit.segment(MB)
    unit.file = lost = unit.journal_dir / f"{unit.seq:012d}.jws"
    first, kept = unit.seq, len(unit.lines)
    for number in range(5):
        unit.record("event", event=f"lost {number}")
    unit.file = unit.journal_dir / f"{unit.seq:012d}.jws"
    del unit.lines[kept:]
    after = unit.segment(MB)
    lost.unlink()
    field.process.start()
    field.process.until(lambda: field.receipted(before, after))
    assert "journal-hole" in field.process.codes()
    (alarm,) = field.agency.alarms()
    assert (alarm["alarm"], alarm["first_seq"], alarm["last_seq"]) == ("journal-gap", first, first + 4)
    journal = b"".join(path.read_bytes() for path in sorted(field.agency.store_root.glob("*/*/journal/*.jws")))
    assert journal == b"".join(unit.lines)
    assert field.process.terminate() == 0


def test_lines_that_were_declared_lost_and_are_here_are_offered_again_and_the_agency_is_told(field: Field) -> None:
    """The unit process has found them, its record says so: the store keeps them apart."""
    unit = field.unit
    before = unit.segment(MB)
    unit.file = away = unit.journal_dir / f"{unit.seq:012d}.jws"
    first = unit.seq
    for number in range(5):
        unit.record("event", event=f"away {number}")
    unit.file = unit.journal_dir / f"{unit.seq:012d}.jws"
    after = unit.segment(MB)
    lines = away.read_bytes()
    away.unlink()
    field.process.start()
    field.process.until(lambda: field.receipted(before, after))
    away.write_bytes(lines)
    gap = {"first": first, "last": first + 4}
    detail = {**gap, "receipt_id": unit.new_id(), "held": [first, first + 4], "withheld": []}
    unit.record("event", event="store-gap", at_us=1, detail=detail)
    field.process.until(lambda: len(field.agency.alarms()) == 2)
    assert [alarm["alarm"] for alarm in field.agency.alarms()] == ["journal-gap", "journal-late"]
    forks = field.agency.store_root  # the alarm is on the disk before what it tells of
    field.process.until(lambda: [path.read_bytes() for path in forks.glob("*/*/forks/*") if path.is_file()] == [lines])
    assert field.process.terminate() == 0
