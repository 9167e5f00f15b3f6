"""Files removed or changed behind the unit's back, on the real file system with real inotify."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from recorder.evidence.segment_recovery import recover_orphan
from recorder.unit.duties import DUTIES
from recorder.unit.duties.evidence_guard import NAMED
from recorder.unit.file_watch import FileWatch
from recorder.unit.noted_files import NotedFiles
from tests.evidence.kit import BOOT_A
from tests.unit.test_custody import EVERYTHING_MB, JTI, receipt, shift_with_one_segment
from tests.unit.unit_kit import DIGEST, UnitKit


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


def refused(*_: object, **__: object) -> None:
    raise OSError(5, "refused")


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


def test_a_file_moved_over_a_segment_is_an_alteration(unit: Guarded, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(bytes(65536))
    other.rename(unit.segment)
    assert unit.faults() == [("evidence-altered", name(unit, unit.segment))]


def test_a_sessions_folder_moved_away_is_noticed(unit: Guarded, tmp_path: Path) -> None:
    unit.segment.parent.rename(tmp_path / "elsewhere")
    assert unit.faults() == [("evidence-deleted", name(unit, unit.segment.parent))]
    (tmp_path / "elsewhere").rename(unit.segment.parent)
    unit.settle()
    unit.segment.unlink()
    assert unit.faults()[1:] == [("evidence-deleted", name(unit, unit.segment))], "put back, it is watched again"


def test_a_folder_moved_away_and_destroyed_hides_nothing_that_follows(unit: Guarded, tmp_path: Path) -> None:
    other = unit.kit.data_dir / "receipts" / f"{JTI}.jws"
    other.parent.mkdir(exist_ok=True)
    other.write_text("x")
    unit.settle()
    unit.segment.parent.rename(tmp_path / "elsewhere")
    rmtree(tmp_path / "elsewhere")
    other.unlink()
    assert unit.faults() == [("evidence-deleted", name(unit, path)) for path in (unit.segment.parent, other)]
    assert [p for typ, p in unit.kit.records() if typ == "fault" and p["code"] == "evidence-unwatched"] == []


def test_all_segments_moved_away_at_once_are_noticed(unit: Guarded, tmp_path: Path) -> None:
    segments = unit.segment.parent.parent
    segments.rename(tmp_path / "elsewhere")
    assert unit.faults() == [("evidence-deleted", "segments")]
    segments.mkdir()
    unit.settle()
    (segments / unit.segment.parent.name).mkdir()
    unit.settle()
    (tmp_path / "elsewhere" / unit.segment.parent.name / unit.segment.name).rename(unit.segment)
    assert unit.faults()[1:] == [("evidence-altered", name(unit, unit.segment))], "the new folders are watched"


def test_what_the_unit_wrote_itself_is_evidence_once_it_is_done(unit: Guarded) -> None:
    first, *_ = sorted(unit.kit.journal.directory.glob("*.jws"))
    unit.kit.ledger.rotate()
    statement = unit.kit.data_dir / "statements" / "s.document"
    unit.kit.files.make_dir(statement.parent)
    unit.settle()
    file = unit.kit.files.create(statement)
    file.write(b"signed")
    file.close()
    assert unit.faults() == []
    for path in (first, statement):
        with path.open("r+b") as stream:
            stream.write(b"x")
    assert unit.faults() == [("evidence-altered", name(unit, path)) for path in (first, statement)]


def test_a_removal_the_disk_refused_is_not_the_units_own_later(unit: Guarded) -> None:
    files, folder = NotedFiles(), unit.kit.data_dir / "a-folder"
    folder.mkdir()  # which no unlink removes
    with pytest.raises(OSError):
        files.remove(folder)
    assert not files.took(folder)


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


def test_the_journals_own_attempts_on_a_refusing_card_are_nobody_elses(unit: Guarded) -> None:
    """It removes and makes the same file again at each attempt, several times between two looks."""
    path = unit.kit.data_dir / "journal" / "000000000003.jws"
    for _ in range(3):
        unit.kit.files.create(path).close()
        unit.kit.files.remove(path)
    unit.kit.files.create(path).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        with pytest.raises(OSError, match="refused"):
            unit.kit.files.remove(path)  # an attempt that failed takes nothing from what the others were
    assert unit.faults() == []
    path.unlink()
    assert unit.faults() == [("evidence-deleted", name(unit, path))]


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


def started_again(unit: Guarded) -> Guarded:
    unit.kit.unit.close()
    unit.kit.index.close()
    unit.kit.journal.close()
    again = Guarded.__new__(Guarded)
    again.kit, again.segment, again.said = UnitKit(unit.kit.data_dir, duties=DUTIES), unit.segment, []
    return again


def test_a_file_nobody_had_reported_is_found_whether_sealed_or_not(tmp_path: Path) -> None:
    first = Guarded(tmp_path / "unit")
    session_id, orphan = first.segment.parent.name, "00000000-0000-4000-8000-0000000000ee"
    path = first.segment.with_name(f"{orphan}.mp4")
    path.write_bytes(bytes(65536 + 40))
    first.kit.unit.write(recover_orphan(first.kit.data_dir, first.kit.files, session_id, orphan, "worker-exit"))
    first.settle()
    again = started_again(first)
    assert again.faults() == []
    again.kit.unit.close()


def test_an_index_that_is_made_anew_meanwhile_raises_no_false_alarm(tmp_path: Path) -> None:
    """Half made anew it still holds, as closed, what was released long ago."""
    unit = started_again(Guarded(tmp_path / "unit"))
    index = unit.kit.index
    unit.kit.turn(250_000)
    index.behind = True
    common = {"journal_id": unit.kit.journal.journal_id, "uptime_us": 1, "bootseed": BOOT_A, "iat": 1.0}
    gone = {"session_id": unit.segment.parent.name, "segment_id": "00000000-0000-4000-8000-0000000000ee"}
    closed = {"camera_id": "cam0", "size": 9, "sha256": DIGEST, "media_end_us": 1, "frames": 1, "dropped_frames": 0}
    index.apply([("segment-close", {**common, **gone, **closed, "seq": 10**6})])
    assert unit.faults() == []
    index.apply([("release", {**common, **gone, "seq": 10**6 + 1})])
    index.behind = False
    assert unit.faults() == []
    unit.kit.unit.close()


def test_who_deletes_many_files_is_told_once(unit: Guarded) -> None:
    folder = unit.kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    unit.settle()
    for number in range(10):
        path = folder / f"00000000-0000-4000-8000-0000000000{number:02d}.jws"
        path.write_text("x")
        path.unlink()
    assert len(unit.faults()) == 10
    assert unit.said.count("delete-attempted") == 1


def test_a_flood_is_not_recorded_one_by_one(unit: Guarded) -> None:
    folder = unit.kit.data_dir / "receipts"
    folder.mkdir(exist_ok=True)
    unit.settle()
    for number in range(NAMED + 10):
        path = folder / f"00000000-0000-4000-8000-{number:012d}.jws"
        path.write_text("x")
        path.unlink()
    assert len(unit.faults()) == NAMED + 1
    assert unit.faults()[-1] == ("evidence-deleted", "further files")


def test_folders_that_appear_later_are_watched_with_what_is_in_them(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    watch = FileWatch(data)
    session = data / "segments" / "00000000-0000-4000-8000-000000000001"
    session.mkdir(parents=True)
    (data / "journal" / "torn").mkdir(parents=True)
    assert watch.read() == []
    files = [session / "a.mp4.age", data / "journal" / "torn" / "b.torn"]
    for file in files:
        file.write_bytes(b"x")
    watch.read()
    for file in files:
        file.unlink()
    assert [(change.path, change.change) for change in watch.read()] == [(file, "removed") for file in files]
    watch.close()
