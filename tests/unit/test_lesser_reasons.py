"""Promise 1 for the unit process: no lesser reason ends the loop. Each of these once did."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from recorder.channel import messages
from recorder.evidence.encoding import b64u
from recorder.evidence.files import OsFiles
from recorder.unit.catch_up import CatchUp
from recorder.unit.officers import Officers
from tests.unit.test_custody import EVERYTHING_MB, JTI, receipt, shift_with_one_segment
from tests.unit.test_process import ask
from tests.unit.unit_kit import UnitKit


def refuse(*_: object, **__: object) -> Any:
    raise OSError(30, "Read-only file system")


def faults(kit: UnitKit, component: str) -> list[str]:
    return [p["phase"] for typ, p in kit.records() if typ == "fault" and p["component"] == component]


def head_only(iat: str, head_seq: int = -5) -> str:
    header = b'{"alg":"ES256","kid":"k","typ":"receipt"}'
    payload = f'{{"head_seq":{head_seq},"iat":{iat},"segments":[]}}'.encode()
    return ".".join([b64u(header), b64u(payload), b64u(bytes(64))])


@pytest.mark.parametrize("iat", ["1e400", "NaN", "1" + "0" * 400, "true"], ids=["inf", "nan", "too-large", "bool"])
def test_a_receipt_with_an_impossible_time_is_refused(tmp_path: Path, iat: str) -> None:
    """The uplink faces the network and writes receipts/: nothing in there may stop a recording."""
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    for last, text in (("b", head_only(iat)), ("c", head_only("1"))):
        (folder / f"00000000-0000-4000-8000-0000000000a{last}.jws").write_text(text + "\n")
    kit.custody.receipts_arrived()
    for _ in range(3):
        kit.turn(5_100_000)
    refused = [
        p["detail"]["receipt_id"] for typ, p in kit.records() if typ == "event" and p["event"] == "receipt-refused"
    ]
    assert "00000000-0000-4000-8000-0000000000ab" in refused


def test_a_flood_of_forged_receipts_neither_blocks_a_turn_nor_swells_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    for number in range(1000):
        (folder / f"00000000-0000-4000-8000-{number:012x}.jws").write_text("forged\n")
    reads: list[Path] = []
    read = kit.files.read

    def counted(path: Path) -> bytes:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(kit.files, "read", counted)
    kit.custody.receipts_arrived()
    most = 0
    for _ in range(20):
        before = len(reads)
        kit.turn(200_000)
        most = max(most, len(reads) - before)
    assert len(reads) == 1000, "every one is looked at, in its turn"
    assert most <= 100
    refused = [p for typ, p in kit.records() if typ == "event" and p["event"] == "receipt-refused"]
    assert 1 <= len(refused) <= 64


def test_a_receipts_folder_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    kit, _ = shift_with_one_segment(tmp_path / "unit")
    (kit.data_dir / "receipts").write_text("no folder")
    for _ in range(3):
        kit.turn(5_100_000)
    assert faults(kit, "receipts") == ["onset"]
    (kit.data_dir / "receipts").unlink()
    for _ in range(3):
        kit.turn(5_100_000)
    assert faults(kit, "receipts") == ["onset", "end"]


def test_a_disk_that_does_not_tell_its_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = UnitKit(tmp_path / "unit")
    before = kit.custody.free_bytes
    monkeypatch.setattr(kit.files, "free_bytes", refuse)
    kit.turn(3_000_000)
    kit.turn(300_000)
    assert kit.custody.free_bytes == before
    assert faults(kit, "data") == ["onset"]
    monkeypatch.undo()
    kit.turn(3_000_000)
    kit.turn(300_000)
    assert faults(kit, "data") == ["onset", "end"]


def test_a_file_that_cannot_be_removed_keeps_its_tombstone_and_goes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    monkeypatch.setattr(kit.files, "remove", refuse)
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    (folder / f"{JTI}.jws").write_text(receipt(kit) + "\n")
    kit.custody.receipts_arrived()
    done: list[int] = []
    for _ in range(4):
        kit.ledger.after_commit(lambda: done.append(1))
        kit.turn(2_100_000)
    assert len(done) == 4, "what else waited for the commit is done all the same"
    assert path.exists()
    assert kit.types().count("release") == 1
    monkeypatch.undo()
    kit.custody.finish_releases()
    assert not path.exists()


def test_nothing_is_released_for_space_nobody_could_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit", keep_window_h=0.0, release_below_free_mb=EVERYTHING_MB)
    monkeypatch.setattr(kit.files, "free_bytes", refuse)
    folder = kit.data_dir / "receipts"
    folder.mkdir()
    (folder / f"{JTI}.jws").write_text(receipt(kit) + "\n")
    kit.custody.receipts_arrived()
    for _ in range(4):
        kit.turn(2_100_000)
    assert "receipt" in kit.types() and "release" not in kit.types()
    assert path.exists()


def test_a_start_with_a_file_that_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit")
    session_id = path.parent.name
    kit.index._db.execute("UPDATE segments SET state = 'released' WHERE segment_id = ?", [path.name.split(".")[0]])
    monkeypatch.setattr(kit.files, "remove", refuse)
    kit.custody.finish_releases()
    assert path.exists() and [row[1:] for row in kit.index.released()] == [(session_id, path.name.split(".")[0])]


@pytest.mark.parametrize("text", ['[{"na', "{}", '[{"name": 1}]', "[7]", "\xff"], ids=range(5))
def test_a_damaged_list_of_officers_is_set_aside(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "officers.json"
    path.write_bytes(text.encode("latin-1"))
    with caplog.at_level(logging.ERROR):
        officers = Officers(path, OsFiles())
    assert officers.count == 0
    assert "officers.unreadable" in caplog.text
    assert "name" not in caplog.text, "what stood in it may be somebody's name"


def test_an_officer_signs_in_though_the_run_folder_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit = UnitKit(tmp_path / "unit")
    monkeypatch.setattr(kit.files, "replace", refuse)
    kit.worker_up()
    assert ask(kit, cmd="sign-in", name="张三", cert_no="130100-001")["ok"]
    assert "officer-sign-in" in kit.types()
    assert kit.link.of(messages.Overlay)[-1].officers == ("130100-001",)


def test_an_index_that_fails_while_running_is_made_anew_from_the_journal(tmp_path: Path) -> None:
    kit, path = shift_with_one_segment(tmp_path / "unit")
    catch_up = CatchUp(kit.index, kit.files, kit.journal, kit.clock)
    assert catch_up.step(0)
    kit.index._db.execute("DROP TABLE segments")
    assert kit.index.pending() == (0, 0)
    assert not catch_up.step(-1) or kit.index.losses == 1
    kit.turn(200_000)
    assert catch_up.step(1_000_000)
    assert kit.index.pending()[0] == 1
    assert kit.index.segment(path.name.split(".")[0]) is not None
