from __future__ import annotations

import json
from pathlib import Path

import pytest

from recorder.health.status_file import FRESH_US, LastWord, last_word

STATUS = {"boot_id": "b", "at_us": 1_000_000, "state": "recording"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "status.json"
    path.write_text(json.dumps(STATUS))
    return path


def test_fresh_until_it_is_silent(file: Path) -> None:
    assert last_word(file, "b", 1_500_000) == LastWord(STATUS, "fresh", 0.5)
    assert last_word(file, "b", 1_000_000 + FRESH_US).standing == "fresh"
    assert last_word(file, "b", 1_000_001 + FRESH_US).standing == "silent"


def test_of_another_boot_it_has_no_age(file: Path) -> None:
    assert last_word(file, "c", 900_000) == LastWord(STATUS, "other-boot", None)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at_us": "x"}', "\udcff"])
def test_what_is_no_status_is_absent(text: str, file: Path) -> None:
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert last_word(file, "b", 1) == LastWord({}, "absent", None)
    file.unlink()
    assert last_word(file, "b", 1) == LastWord({}, "absent", None)
