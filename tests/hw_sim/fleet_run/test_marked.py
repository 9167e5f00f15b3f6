"""Two commands write one page; neither takes away the other's part."""

from __future__ import annotations

import pytest

from hw_sim.fleet_run.marked import BEGIN, END, kept, replaced

SIMULATED = "# 全部设备同时入坞\n\nthe simulation\n"


def test_the_section_comes_last_and_is_replaced_in_place() -> None:
    first = replaced(SIMULATED, "one\n")
    assert first == f"{SIMULATED}\n{BEGIN}\none\n{END}\n"
    assert replaced(first + "behind\n", "two\n") == f"{SIMULATED}\n{BEGIN}\ntwo\n{END}\nbehind\n"


def test_an_empty_page_is_the_section_alone() -> None:
    assert replaced("", "one\n") == f"{BEGIN}\none\n{END}\n"


def test_whoever_writes_the_page_anew_keeps_the_section() -> None:
    page = replaced(SIMULATED, "one\n")
    again = "# anew\n" + kept(page)
    assert again == f"# anew\n\n{BEGIN}\none\n{END}\n"
    assert kept(SIMULATED) == ""


def test_a_page_without_the_end_mark_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="fleet run: end"):
        replaced(f"{SIMULATED}{BEGIN}\nhalf", "one\n")
