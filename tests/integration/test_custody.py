"""Receipts between store, uplink and unit: also those that come while the unit is off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from hw_sim.runner.journal_view import lines
from recorder.evidence import jws
from tests.integration.rig import Rig
from tests.support import leave_to_ci


@pytest.mark.timeout(90)
def test_receipts_that_arrive_while_the_unit_is_off_are_taken_in_at_the_next_start(
    agency: Agency, tmp_path: Path
) -> None:
    with Rig(tmp_path / "run", agency, unit_id="zfy-custody") as rig:
        rig.enrol(agency)
        rig.start()
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        assert rig.view().uploadable and not rig.view().receipted
        rig.unit.start_uplink()
        receipts = rig.layout.unit / "receipts"
        last = rig.view().next_seq - 1
        rig.wait(lambda: agency.anchored_seq(receipts) >= last, "the store has everything")
        rig.wait(lambda: len(list(receipts.glob("*.jws"))) >= 1, "a receipt is there")
        wanted = set(rig.view().uploadable)
        rig.wait(lambda: covered(receipts) >= wanted, "receipts for all segments are on the disk")
        rig.unit.stop("uplink")
        assert not rig.view().receipted, "nobody was there to believe them"
        rig.start()
        rig.wait(lambda: rig.view().uploadable <= rig.view().receipted, "the unit believes them at its start")
        assert rig.stop() == 0
        assert not any(event["event"] == "receipt-refused" for event in rig.of("event"))


def covered(receipts: Path) -> set[str]:
    found: set[str] = set()
    for path in receipts.glob("*.jws"):
        payload = jws.split(path.read_text(encoding="ascii").strip()).payload
        found |= {segment["segment_id"] for segment in payload["segments"]}
    return found


@pytest.mark.timeout(90)
def test_an_index_deleted_between_two_starts_loses_nothing(agency: Agency, tmp_path: Path) -> None:
    with Rig(tmp_path / "run", agency, {"capture": {"segment_s": 2}}, unit_id="zfy-index") as rig:
        rig.enrol(agency)
        rig.start()
        rig.unit.start_uplink()
        rig.record()
        rig.end_recording()
        rig.wait(lambda: rig.view().uploadable <= rig.view().receipted, "every segment has its receipt")
        rig.unit.stop("uplink")
        assert rig.stop() == 0
        for path in rig.layout.unit.glob("index.db*"):
            path.unlink()
        rig.start()
        rig.wait(
            lambda: rig.unit.status()["health"].get("upload_backlog_segments") == 0, "the new index knows the receipts"
        )
        assert rig.stop() == 0
        assert (rig.layout.unit / "index.db").exists()
        assert not any(event["event"] == "receipt-refused" for event in rig.of("event"))


@pytest.mark.timeout(90)
def test_a_record_altered_long_ago_is_found_in_the_background_and_signed(agency: Agency, tmp_path: Path) -> None:
    """The start verifies the last checkpoint and what follows; the rest is looked at while the unit records."""
    leave_to_ci("后台核验久远的记录 an old record verified in the background, 19 s")
    with Rig(tmp_path / "run", agency, {"signing": {"checkpoint_records": 16}}, unit_id="zfy-altered") as rig:
        rig.start()
        rig.record()
        rig.end_recording()
        assert rig.stop() == 0
        rig.start()
        assert rig.stop() == 0
        path = min((rig.layout.unit / "journal").glob("*.jws"))
        data = bytearray(path.read_bytes())
        data[data.index(b".") + 40] ^= 1
        path.write_bytes(data)
        rig.start()
        rig.wait(
            lambda: any(fault["code"] == "journal-altered" for _, fault in safely(rig, "fault")),
            "the alteration is a signed fault",
        )
        assert rig.stop() == 0
        (fault,) = [fault for _, fault in safely(rig, "fault") if fault["code"] == "journal-altered"]
        assert path.name in fault["evidence"]["zh"]


def safely(rig: Rig, typ: str) -> list[tuple[str, dict[str, Any]]]:
    """Records of the newest files only: the first is the one that was altered."""
    found = []
    for line in lines(rig.layout.unit / "journal"):
        try:
            parts = jws.split(line)
        except jws.JwsError:
            continue
        if parts.typ == typ:
            found.append((parts.typ, parts.payload))
    return found
