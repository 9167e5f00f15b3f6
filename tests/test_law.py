"""docs/law.md cannot drift: every file, name and test it names is there, and every article has its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "law.md").read_text(encoding="utf-8")
ARTICLES = 33


@dataclass(frozen=True)
class Row:
    article: int
    demand: str
    code: tuple[str, ...]
    tests: tuple[str, ...]


def rows() -> list[Row]:
    table = TEXT.partition("<!-- law -->")[2].partition("<!-- /law -->")[0]
    found = []
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0].isdigit():
            found.append(Row(int(cells[0]), cells[1], _names(cells[2]), _names(cells[3])))
    return found


def _names(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`]+)`", cell))


def test_every_article_has_its_place() -> None:
    ours = {row.article for row in rows()}
    section = TEXT.partition("## 不由设备承担的条款")[2]
    others = {int(n) for cell in re.findall(r"^\| ([\d, ]+) \|", section, re.M) for n in cell.split(",")}
    assert not ours & others
    assert ours | others == set(range(1, ARTICLES + 1))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"art. {row.article}")
def test_every_reference_of_a_row_is_there(row: Row) -> None:
    assert row.demand and row.code and row.tests
    for reference in row.code:
        path, _, name = reference.partition(":")
        assert (ROOT / path).exists(), reference
        assert not name or name in (ROOT / path).read_text(encoding="utf-8"), reference
    for reference in row.tests:
        path, _, name = reference.partition("::")
        assert (ROOT / path).exists(), reference
        assert path.startswith("tests/")
        assert not name or f"\ndef {name}(" in (ROOT / path).read_text(encoding="utf-8"), reference


def test_what_is_quoted_is_the_measures_own_wording() -> None:
    """Short quotations of the binding words, kept here because the regulation itself is not part of this repository."""
    for words in (
        "重新开始记录时应当对中断原因进行语音说明",
        "由两名以上执法人员签字",
        "返回所在机关后二十四小时内予以储存",
    ):
        assert words in TEXT
