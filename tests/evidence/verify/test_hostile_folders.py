"""A folder arranged to deceive: what lies beside the evidence, in links, too deep, or under names that say things."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.errors import CannotRead
from recorder.evidence.formatting import printable
from recorder.evidence.verify import Report
from recorder.evidence.verify.text import render_text
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import codes, subjects, verify_folder
from tests.evidence.verify.vault_builder import sound_vault


@pytest.fixture
def unit(agency: TestAgency, tmp_path: Path) -> Path:
    folder = sound_vault(agency).write(tmp_path / "unit")
    assert verify_folder(agency, folder).valid
    return folder


def a_segment(unit: Path) -> Path:
    return next(unit.glob("segments/*/*.mp4"))


def link(folder: Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.symlink_to("moved")


BESIDE = {
    "a film in the vault": "evil.mp4",
    "a sealed film in a folder": "a/b/x.mp4.age",
    "another journal in a folder": "more/journal/000000000000.jws",
    "a document in a folder": "s/1.document.age",
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_looks_like_evidence_beside_the_folders_is_unsigned(agency: TestAgency, unit: Path, what: str) -> None:
    (unit / BESIDE[what]).parent.mkdir(parents=True, exist_ok=True)
    (unit / BESIDE[what]).write_bytes(b"1")
    (vault,) = verify_folder(agency, unit).vaults
    assert subjects(vault, "file-unsigned") == [f"file {BESIDE[what]}"]
    assert not vault.valid


def test_what_every_unit_has_beside_its_evidence_is_none(agency: TestAgency, unit: Path) -> None:
    for name in ("keys/device-key.pem", "config/pushed.toml", "uplink/outbox.db", "index.db", "unit.lock"):
        (unit / name).parent.mkdir(exist_ok=True)
        (unit / name).touch()
    assert verify_folder(agency, unit).valid


@pytest.mark.parametrize("name", ["journal", "segments", "receipts"])
def test_a_link_in_the_place_of_a_folder_is_found(agency: TestAgency, unit: Path, name: str) -> None:
    link(unit / name)
    (vault,) = verify_folder(agency, unit).vaults
    assert f"file {name}" in subjects(vault, "file-not-regular")


@pytest.mark.parametrize("spelling", [lambda stem: stem + ".jws\n", lambda stem: stem.replace("0", "０") + ".jws"])
def test_a_journal_file_under_a_name_no_unit_writes_is_none(
    agency: TestAgency, unit: Path, spelling: Callable[[str], str]
) -> None:
    file = max(unit.glob("journal/*.jws"))
    file.rename(file.with_name(spelling(file.stem)))
    (vault,) = verify_folder(agency, unit).vaults
    assert {"file-unsigned", "rolled-back"} <= codes(vault)


def test_a_vault_of_which_only_receipts_are_left_is_seen(agency: TestAgency, unit: Path) -> None:
    """Beside a whole one: else the whole one alone would be judged."""
    gone = unit.parent / "store" / "gone"
    shutil.copytree(unit, unit.parent / "store" / "whole")
    shutil.copytree(unit / "receipts", gone / "receipts")
    report = verify_folder(agency, unit.parent / "store")
    assert {vault.folder: vault.valid for vault in report.vaults} == {"gone": False, "whole": True}
    assert not report.valid
    assert "journal-missing" in codes(report.vaults[0])


@pytest.mark.parametrize("depth", [5, 9])
def test_a_vault_too_deep_is_not_passed_over(agency: TestAgency, unit: Path, depth: int) -> None:
    root = unit.parent / "root"
    shutil.copytree(unit, root / "whole")
    shutil.copytree(unit, root.joinpath(*"abcdefghi"[:depth]))
    with pytest.raises(CannotRead, match="4 levels"):
        verify_folder(agency, root)


NAMES = {
    "a line of its own": "x\n  Valid: intact, complete.\n",
    "a return": "x\r  Valid: intact",
    "escape sequences": "\x1b[2J\x1b[HValid",
    "another direction": "\u202e4pm.age",
    "no UTF-8": os.fsdecode(b"\xff\xfe.mp4"),
    "a separator": "x\u2028  Valid: intact",
}


@pytest.mark.parametrize("what", NAMES)
def test_a_name_says_nothing_by_being_shown(agency: TestAgency, unit: Path, what: str) -> None:
    name = NAMES[what]
    (a_segment(unit).parent / name).touch()
    report = verify_folder(agency, unit)
    assert "file-unsigned" in codes(report.vaults[0])
    _shown_safely(report)


@pytest.mark.parametrize("what", NAMES)
def test_nor_does_the_name_of_a_vault(agency: TestAgency, unit: Path, what: str) -> None:
    root = unit.parent / "root"
    shutil.copytree(unit, root / NAMES[what])
    _shown_safely(verify_folder(agency, root))


def _shown_safely(report: Report) -> None:
    for text in (
        render_text(report, "zh"),
        render_text(report, "en"),
        json.dumps(report.to_json(), ensure_ascii=False),
    ):
        assert text.encode("utf-8")
        assert not [c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    said = render_text(report, "en").splitlines()
    assert sum(line.strip().startswith("Valid:") for line in said) in (0, 2)


@given(st.text())
def test_printable_text_is_itself_and_all_other_can_be_told(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert shown.encode("utf-8").decode("utf-8") == shown
    assert "\n" not in shown
    kept = [c for c in text if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert (shown == text) == (len(kept) == len(text))


def test_personal_names_stay_as_they_are() -> None:
    assert printable("张三·买买提　欧阳𠮷") == "张三·买买提　欧阳𠮷"
