"""The failure matrix in docs/testing.md: complete, and every test it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = 27
"""Of the reference (15 of them) and of the list of the uplink's issue; a row more is a number more."""

MATRIX = ("tests/integration/test_failure_matrix.py", "tests/uplink/test_failure_matrix.py")


def table() -> list[str]:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    lines = text.split("<!-- failures -->")[1].split("<!-- /failures -->")[0].splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def functions_of(file: str) -> set[str]:
    return set(re.findall(r"^def (test_\w+)\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE))


def test_every_row_names_tests_and_each_of_them_exists() -> None:
    rows = table()
    assert len(rows) == ROWS
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert test in functions_of(file), f"{file}::{test}"


def test_a_row_says_both_engines_when_and_only_when_a_test_on_both_is_named() -> None:
    """Of a row with tests on both, the other column entry would be a claim too small; of one without, too large."""
    for row in table():
        _, _, _, engines, named, _ = row.split("|")
        assert engines.strip(), row
        assert engines.startswith(" 两种 ") == (f"`{MATRIX[0]}::" in named), row


def test_no_test_of_the_matrix_is_missing_from_the_table() -> None:
    named = set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", "\n".join(table())))
    for file in MATRIX:
        assert {(file, test) for test in functions_of(file)} <= named
