from __future__ import annotations

from pathlib import Path

from recorder.evidence.files import OsFiles
from recorder.evidence.receipt_files import MAX_RECEIPT, read_receipts
from tests.evidence.kit import counting_ids


def test_only_whole_receipts_of_ours_are_read(tmp_path: Path) -> None:
    ids = counting_ids()
    good, seen, huge, binary = ids(), ids(), ids(), ids()
    (tmp_path / f"{good}.jws").write_text("a.b.c\n", encoding="ascii")
    (tmp_path / f"{seen}.jws").write_text("a.b.c\n", encoding="ascii")
    (tmp_path / f"{huge}.jws").write_bytes(b"a" * (MAX_RECEIPT + 1))
    (tmp_path / f"{binary}.jws").write_bytes(b"\xff\xfe")
    (tmp_path / f".{good}.jws.new").write_text("being written", encoding="ascii")
    (tmp_path / "readme.txt").write_text("x", encoding="ascii")
    (tmp_path / "..jws").write_text("x", encoding="ascii")
    found = {file.receipt_id: file for file in read_receipts(OsFiles(), tmp_path, lambda name: name == seen)}
    assert set(found) == {good, huge, binary}
    assert found[good].text == "a.b.c"
    assert found[huge].text is None
    assert str(MAX_RECEIPT + 1) in found[huge].problem
    assert found[binary].text is None
    assert "无法读取" in found[binary].problem


def test_no_folder_is_no_receipt(tmp_path: Path) -> None:
    assert list(read_receipts(OsFiles(), tmp_path / "receipts", lambda _: False)) == []
