"""The judge of a fleet run: it is silent about what is right, and names every single thing that is not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hw_sim.agency.objects.folder import FolderStore
from hw_sim.fleet_run.evidence import ClosedSegment, Covering, StoreSide, UnitJournal, UnitSide
from hw_sim.fleet_run.judge import object_violations, percentile, segment_violations, unit_violations
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.records import StoredSegment

DATA = b"sealed"
SEGMENT = ClosedSegment("segment-1", "session-1", sha256_b64u(DATA), len(DATA), marked=True, deadline=2000.0)


def journal() -> UnitJournal:
    releases = [(8, "segment-1", "receipt-digest")]
    return UnitJournal("zfy-1", "j", b"lines", ["a"], {"segment-1": SEGMENT}, 900.0, {"receipt-digest": 7}, releases)


def covering() -> Covering:
    stored = cast(StoredSegment, SimpleNamespace(object="o/segment-1.mp4.age", version="1"))
    return Covering("receipt-digest", stored)


def store() -> StoreSide:
    entry: dict[str, Any] = {"sha256": SEGMENT.sha256, "size": SEGMENT.size, "stored_at": 1000.0}
    return StoreSide(
        b"lines",
        {"segment-1": entry},
        {"segment-1": 1},
        {"segment-1": [covering()]},
        files={"segment-1": [Path("segment-1.mp4.age")]},
    )


UNIT = UnitSide(0, {"segment-1": "removed"}, [])


def found(unit: UnitJournal, at_store: StoreSide, on_unit: UnitSide = UNIT) -> list[str]:
    return [*unit_violations(unit, at_store, on_unit), *segment_violations(unit, SEGMENT, at_store, in_folder=True)]


def test_what_is_right_is_not_mentioned() -> None:
    assert found(journal(), store()) == []


def journal_short(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.journal = b"line"


def nothing_in_journal(unit: UnitJournal, _: StoreSide) -> None:
    unit.segments = {}


def refused_receipt(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.refused.append("forged")


def stranger(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.objects["segment-2"] = at_store.objects["segment-1"]


def no_object(_: UnitJournal, at_store: StoreSide) -> None:
    del at_store.objects["segment-1"]


def other_digest(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.objects["segment-1"]["sha256"] = "other"


def late(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.objects["segment-1"]["stored_at"] = 2001.0


def too_early(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.objects["segment-1"]["stored_at"] = 899.0


def two_files(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.files["segment-1"].append(Path("segment-1.mp4"))


def no_file(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.files.clear()


def two_receipts(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.coverings["segment-1"].append(dataclasses.replace(covering(), receipt_digest="second"))


def no_receipt(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.coverings.clear()


def announced_twice(_: UnitJournal, at_store: StoreSide) -> None:
    at_store.announced["segment-1"] = 2


def never_released(unit: UnitJournal, _: StoreSide) -> None:
    unit.releases.clear()


def released_twice(unit: UnitJournal, _: StoreSide) -> None:
    unit.releases.append((9, "segment-1", "receipt-digest"))


def released_for_another_receipt(unit: UnitJournal, _: StoreSide) -> None:
    unit.releases[0] = (8, "segment-1", "invented")


def released_before_the_record(unit: UnitJournal, _: StoreSide) -> None:
    unit.recorded["receipt-digest"] = 9


def released_without_a_record(unit: UnitJournal, _: StoreSide) -> None:
    unit.recorded.clear()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (journal_short, "journal differs"),
        (nothing_in_journal, "no segment in the journal"),
        (refused_receipt, "does not verify: forged"),
        (stranger, "not in the journal: objects"),
        (no_object, "no object"),
        (other_digest, "differs from the journal"),
        (late, "late by 1 s"),
        (too_early, "before its unit docked"),
        (two_files, "2 个文件"),
        (no_file, "0 个文件"),
        (two_receipts, "2 张有效回执"),
        (no_receipt, "released without a receipt"),
        (announced_twice, "通报 2 次"),
        (never_released, "释放 0 次"),
        (released_twice, "释放 2 次"),
        (released_for_another_receipt, "released without a receipt"),
        (released_before_the_record, "before its receipt was in the journal"),
        (released_without_a_record, "before its receipt was in the journal"),
    ],
)
def test_each_thing_that_is_wrong_is_named(spoil: Callable[[UnitJournal, StoreSide], None], said: str) -> None:
    unit, at_store = journal(), store()
    spoil(unit, at_store)
    assert said in "\n".join(found(unit, at_store))


@pytest.mark.parametrize(
    ("on_unit", "said"),
    [
        (dataclasses.replace(UNIT, outbox=3), "3 条未确认"),
        (dataclasses.replace(UNIT, index={"segment-1": "closed"}), "'closed'"),
        (dataclasses.replace(UNIT, files=[Path("segment-1.mp4.age")]), "still on the unit"),
    ],
)
def test_what_a_unit_still_holds_is_named(on_unit: UnitSide, said: str) -> None:
    assert said in "\n".join(found(journal(), store(), on_unit))


def test_the_objects_own_bytes_decide(tmp_path: Path) -> None:
    objects, path = FolderStore(tmp_path), tmp_path / "o" / "segment-1.mp4.age"
    path.parent.mkdir()
    assert "cannot be read" in "".join(object_violations("zfy-1", SEGMENT, store(), objects))
    path.write_bytes(DATA)
    assert list(object_violations("zfy-1", SEGMENT, store(), objects)) == []
    path.write_bytes(b"Sealed")
    assert "bytes differ" in "".join(object_violations("zfy-1", SEGMENT, store(), objects))


def test_percentiles_are_by_nearest_rank() -> None:
    assert percentile([], 0.99) == 0
    assert percentile([1.0, 2.0, 3.0], 0.99) == 3
    assert percentile([float(number) for number in range(100)], 0.5) == 50
