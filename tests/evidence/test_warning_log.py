"""What the records say the officer was warned of: a warning counts when it was heard, not when it was decided on."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.evidence.warning_log import WarningLog
from recorder.officer.prompts.catalogue import parse_catalogue
from tools.render_prompts import CATALOGUE

A, B = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"


def warning(level: str, *sessions: str) -> dict[str, Any]:
    return {"event": "deadline-warning", "detail": {"level": level, "session_ids": list(sessions)}}


def prompt(name: str, outcome: str) -> dict[str, Any]:
    return {"event": "prompt", "detail": {"id": name, "outcome": outcome}}


def given(*events: dict[str, Any]) -> dict[str, str]:
    log = WarningLog()
    for event in events:
        log.event(event)
    assert WarningLog(log.carried()) == log == log.copy()
    return dict(log.given())


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("spoken", True), ("silenced", True), ("cut", False), ("dropped", False), ("failed", False)],
)
def test_only_a_prompt_that_reached_the_officer_counts(outcome: str, told: bool) -> None:
    assert given(warning("near", A), prompt("store-due", outcome)) == ({A: "near"} if told else {})


def test_a_warning_without_its_prompt_is_not_given() -> None:
    assert given(warning("overdue", A)) == {}
    assert given(warning("overdue", A), {"event": "prompt-begun", "detail": {"id": "store-overdue"}}) == {}


def test_another_prompt_gives_no_warning() -> None:
    assert given(warning("overdue", A), prompt("store-due", "spoken"), prompt("marked", "spoken")) == {}


def test_a_higher_level_has_to_be_told_of_itself() -> None:
    near = warning("near", A, B), prompt("store-due", "spoken")
    assert given(*near, warning("urgent", A)) == {B: "near"}
    assert given(*near, warning("urgent", A), prompt("store-due", "spoken")) == {A: "urgent", B: "near"}


def test_hours_that_begin_anew_are_warned_of_anew() -> None:
    log = WarningLog()
    for event in (warning("near", A, B), prompt("store-due", "spoken")):
        log.event(event)
    log.basis([A])
    assert log.given() == {B: "near"}


def test_what_is_remembered_is_bounded_and_the_oldest_goes() -> None:
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(WarningLog.MOST + 1)]
    events = [warning("near", name) for name in ids]
    assert list(given(*events, prompt("store-due", "spoken"))) == ids[1:]


def test_the_prompts_it_waits_for_are_in_the_catalogue() -> None:
    from recorder.evidence.warning_log import DUE, OVERDUE

    catalogue = parse_catalogue(CATALOGUE.read_text(encoding="utf-8"), str(CATALOGUE))
    assert {DUE, OVERDUE} <= catalogue.prompts.keys()
