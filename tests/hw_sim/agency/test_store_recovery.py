"""What the store finds at a start after a crash between two of its steps, each step by itself."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from tests.hw_sim.agency.test_store_journal import alarms, believed, stored_lines, vault
from tests.hw_sim.agency.test_store_uploads import begun, closed, object_file
from tests.hw_sim.agency.unit_double import UnitDouble


@pytest.fixture
def store(authority: Authority, tmp_path: Path) -> Iterator[StoreProcess]:
    made = StoreProcess(tmp_path, tmp_path / "root", authority, SystemClock(), ("--reserve-mb", "16"))
    made.start()
    yield made
    made.stop()


def sql(store: StoreProcess, statement: str, *arguments: object) -> None:
    with sqlite3.connect(store.root / "store.db") as db:
        assert db.execute(statement, arguments).rowcount > 0
    db.close()


def test_lines_stored_but_not_indexed_are_read_again(store: StoreProcess, unit: UnitDouble) -> None:
    segment = begun(unit)
    assert unit.upload(segment).status == 204
    assert unit.post(0).status == 200
    store.kill()
    # The process died between the journal's fdatasync and the register's commit.
    unit.close(segment)
    file = vault(store, unit) / "journal" / "000000000000.jws"
    with file.open("ab") as handle:
        handle.write(unit.lines[-1] + b"\n")
    store.start()
    assert unit.receipt(segment).status == 200
    assert unit.request("GET", f"/journals/{unit.journal_id}").json["next_seq"] == unit.next_seq
    assert object_file(store, unit, segment).read_bytes() == segment.data


def test_a_torn_line_is_cut_and_posted_again(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(3)
    assert unit.post(0).status == 200
    store.kill()
    unit.write_events(2)
    file = vault(store, unit) / "journal" / "000000000000.jws"
    with file.open("ab") as handle:
        handle.write(unit.lines[4] + b"\n" + unit.lines[5][:40])
    store.start()
    assert unit.request("GET", f"/journals/{unit.journal_id}").json["next_seq"] == 5
    assert unit.post(4).json["next_seq"] == 6
    assert stored_lines(store, unit) == unit.lines


def test_an_object_linked_but_not_registered_is_registered_once(
    store: StoreProcess, unit: UnitDouble, authority: Authority
) -> None:
    segment = begun(unit)
    assert unit.post(0).status == 200
    assert unit.upload(segment).status == 204
    (whole,) = (store.root / "staging").glob("*.whole")
    target = object_file(store, unit, segment)
    target.parent.mkdir(parents=True)
    os.link(whole, target)
    store.kill()
    store.start()
    unit.close(segment)
    receipt = believed(authority, unit.post(2).json["receipt"])
    assert [item.segment_id for item in receipt.segments] == [segment.segment_id]
    assert target.read_bytes() == segment.data
    assert len((vault(store, unit) / "SHA256SUMS").read_text().splitlines()) == 1
    assert list((store.root / "staging").glob("*.whole")) == []


def test_a_receipt_registered_but_not_filed_is_filed(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    assert unit.upload(segment).status == 204
    receipt = unit.receipt(segment).body
    (file,) = (path for path in (vault(store, unit) / "receipts").iterdir() if path.read_bytes().strip() == receipt)
    store.kill()
    file.unlink()
    store.start()
    assert file.read_bytes().strip() == receipt
    assert unit.receipt(segment).body == receipt


def test_a_staged_name_left_behind_is_removed(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    location = unit.create(segment).headers["location"]
    assert unit.patch(location, 0, segment.data).status == 204
    store.kill()
    left = store.root / "staging" / f"{location.rpartition('/')[2]}.whole"
    os.link(object_file(store, unit, segment), left)
    store.start()
    assert not left.exists()
    assert unit.head(location).offset == len(segment.data)


def test_a_name_taken_by_other_bytes_is_an_alarm_and_no_receipt(store: StoreProcess, unit: UnitDouble) -> None:
    segment = closed(unit)
    target = object_file(store, unit, segment)
    target.parent.mkdir(parents=True)
    target.write_bytes(b"somebody put this here")
    assert unit.upload(segment).status == 409
    assert unit.receipt(segment).status == 404
    assert alarms(store, unit) == ["digest-conflict"]
    assert target.read_bytes() == b"somebody put this here"


def test_a_stored_journal_somebody_cut_is_an_alarm_and_never_continued(store: StoreProcess, unit: UnitDouble) -> None:
    unit.write_boot()
    unit.write_events(5)
    assert unit.post(0).status == 200
    store.stop()
    file = vault(store, unit) / "journal" / "000000000000.jws"
    file.write_bytes(unit.body(0, 3))
    store.start()
    unit.write_events(1)
    assert unit.post(3).status == 500
    assert file.read_bytes() == unit.body(0, 3)
    assert alarms(store, unit) == ["journal-damaged"]


def test_one_damaged_journal_does_not_stop_the_store(
    store: StoreProcess, unit: UnitDouble, authority: Authority, tmp_path: Path
) -> None:
    unit.write_boot()
    unit.write_events(5)
    assert unit.post(0).status == 200
    store.kill()
    file = vault(store, unit) / "journal" / "000000000000.jws"
    file.write_bytes(b"garbage\n")
    store.start()
    assert unit.post(0).json["type"] == "urn:zfy:journal-damaged"
    assert unit.request("GET", f"/journals/{unit.journal_id}").status == 500
    assert alarms(store, unit) == ["journal-damaged"]
    other = UnitDouble.enrolled(authority, "zfy-other", tmp_path / "other", store.port)
    other.write_boot()
    assert other.post(0).status == 200


def test_what_a_kill_left_of_a_receipt_being_filed_is_swept(store: StoreProcess, unit: UnitDouble) -> None:
    """Both moments: before the link (nothing but the temporary) and after it (temporary and receipt are one file)."""
    unit.write_boot()
    assert unit.post(0).status == 200
    receipts = vault(store, unit) / "receipts"
    (filed,) = receipts.iterdir()
    store.kill()
    os.link(filed, receipts / f".{filed.name}.new")
    (receipts / ".11111111-1111-4111-8111-111111111111.jws.new").write_text("eyJ")
    store.start()
    assert [path.name for path in receipts.iterdir()] == [filed.name]
    assert unit.post(0).status == 200
