"""Files removed or changed behind the unit's back, on the real file system with real inotify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.unit.duties import DUTIES, evidence_guard
from tests.unit.test_custody import EVERYTHING_MB, JTI, receipt, shift_with_one_segment
from tests.unit.unit_kit import UnitKit


class Guarded:
    """A unit with one recorded segment, watched from its start."""

    def __init__(self, folder: Path, **storage: Any) -> None:
        self.kit, self.segment = shift_with_one_segment(folder, duties=DUTIES, **storage)
        self.said: list[str] = []
        self.kit.unit.voice = lambda prompt, **values: self.said.append(prompt)
        self.settle()

    def settle(self) -> None:
        for _ in range(3):
            self.kit.turn(250_000)

    def faults(self) -> list[tuple[str, str]]:
        self.settle()
        return [
            (p["code"], p["component"])
            for typ, p in self.kit.records()
            if typ == "fault" and p["phase"] == "onset" and p["code"].startswith("evidence-")
        ]


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(tmp_path / "unit")
    yield made
    made.kit.unit.close()


def name(unit: Guarded, path: Path) -> str:
    return path.relative_to(unit.kit.data_dir).as_posix()


def test_an_ordinary_shift_raises_nothing(unit: Guarded) -> None:
    assert unit.faults() == []


def test_a_segment_removed_is_recorded_and_spoken(unit: Guarded) -> None:
    unit.segment.unlink()
    assert unit.faults() == [("evidence-deleted", name(unit, unit.segment))]
    assert unit.said.count("delete-attempted") == 1


def test_a_segment_moved_away_is_gone_too(unit: Guarded, tmp_path: Path) -> None:
    unit.segment.rename(tmp_path / "elsewhere")
    assert unit.faults() == [("evidence-deleted", name(unit, unit.segment))]


def test_a_segment_written_to_is_recorded_and_spoken(unit: Guarded) -> None:
    with unit.segment.open("r+b") as file:
        file.write(b"x")
    assert unit.faults() == [("evidence-altered", name(unit, unit.segment))]
    assert unit.said.count("files-altered") == 1


def test_a_segment_replaced_by_another_file_is_altered(unit: Guarded, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    unit.segment.unlink()
    other.rename(unit.segment)
    assert unit.faults() == [("evidence-altered", name(unit, unit.segment))]


def test_journal_files_are_watched(unit: Guarded) -> None:
    first, *_ = sorted(unit.kit.journal.directory.glob("*.jws"))
    unit.kit.ledger.rotate()
    unit.kit.turn()
    first.unlink()
    assert unit.faults() == [("evidence-deleted", name(unit, first))]


def test_a_whole_folder_removed_names_every_file(unit: Guarded) -> None:
    unit.segment.unlink()
    unit.segment.parent.rmdir()
    assert unit.faults() == [("evidence-deleted", name(unit, unit.segment))]


def test_the_units_own_release_is_no_attempt(tmp_path: Path) -> None:
    unit = Guarded(tmp_path / "unit", keep_window_h=0, release_below_free_mb=EVERYTHING_MB)
    folder = unit.kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    (folder / f"{JTI}.jws").write_text(receipt(unit.kit))
    unit.kit.unit.p.custody.receipts_arrived()
    for _ in range(20):
        unit.kit.turn(500_000)
    assert not unit.segment.exists()
    assert unit.faults() == []
    unit.kit.unit.close()


def test_what_was_taken_while_the_unit_was_off_is_found_at_the_start(tmp_path: Path) -> None:
    first = Guarded(tmp_path / "unit")
    first.kit.unit.close()
    first.segment.unlink()
    first.kit.index.close()
    first.kit.journal.close()
    again = UnitKit(tmp_path / "unit", duties=DUTIES)
    for _ in range(3):
        again.turn(250_000)
    found = [p["component"] for typ, p in again.records() if typ == "fault" and p["code"] == "evidence-deleted"]
    assert found == [first.segment.relative_to(again.data_dir).as_posix()]
    again.unit.close()


def test_a_flood_is_counted_not_recorded_one_by_one(unit: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_guard, "NAMED", 2)
    folder = unit.kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    unit.settle()
    for number in range(10):
        path = folder / f"00000000-0000-4000-8000-0000000000{number:02d}.jws"
        path.write_text("x")
        path.unlink()
    assert [component for _, component in unit.faults()][-1] == "further files"
    assert len(unit.faults()) == 3
