"""What a shift's journal says of people, as ``result.json`` shows it and ``wait`` looks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_sim.awaited import parse_awaited
from hw_sim.runner.journal_view import view
from tests.hw_sim.runner.plain_journal import SESSION, PlainJournal, named


@pytest.fixture
def journal(tmp_path: Path) -> PlainJournal:
    return PlainJournal(tmp_path)


def test_a_fault_is_one_thing_from_onset_to_end(journal: PlainJournal, tmp_path: Path) -> None:
    journal.fault("f1", "lens-covered", "onset", mean_luma=9)
    journal.fault("f2", "lens-covered", "onset", mean_luma=8)
    journal.fault("f1", "lens-covered", "end", to_us=4_000_000)
    journal.fault("f3", "no-officer", "onset")
    journal.fault("f3", "no-officer", "end", ended_by="restart")
    details = view(tmp_path).happened.summary()["fault_details"]
    assert details["lens-covered"] == {
        "count": 2,
        "open": 1,
        "longest_s": 3.0,
        "components": ["cam0"],
        "evidence": {"mean_luma": 9},
    }
    assert details["no-officer"]["longest_s"] == 0.0, "how long it lasted nobody knows: the unit was off at its end"
    assert details["no-officer"]["open"] == 0


def test_what_was_said_and_what_was_not_heard(journal: PlainJournal, tmp_path: Path) -> None:
    for name, outcome in (("resumed", "spoken"), ("resumed", "spoken"), ("stopped", "cut"), ("marked", "dropped")):
        journal.prompt(name, outcome)
    summary = view(tmp_path).happened.summary()
    assert summary["prompts"] == {"resumed": 2}
    assert summary["prompts_unheard"] == {"stopped": 1, "marked": 1}


def test_gaps_and_how_they_were_explained(journal: PlainJournal, tmp_path: Path) -> None:
    journal.interrupted("g1")
    journal.resumed("g1", "a")
    journal.interrupted("g2")
    journal.resumed("g2", "b")
    journal.explained("g2", "speech", counts=False)
    journal.explained("g1")
    journal.explained("g1", "choice", counts=False)
    summary = view(tmp_path).happened.summary()
    assert summary["gaps_by_state"] == {"explained": 1, "unexplained": 1}
    assert summary["gaps_unexplained"] == 1
    assert summary["explained_by"] == {"button": 1}, "what was only detected does not count"
    assert [e["speech_s"] for e in summary["explanations"]] == [3.5, 3.5, 0.0]
    assert summary["legal_causes"] == ["设备故障"]


def test_a_statement_settles_and_is_counted(journal: PlainJournal, tmp_path: Path) -> None:
    journal.interrupted("g1")
    journal.add("session-stop", session_id=SESSION, stated=None)
    assert view(tmp_path).happened.summary()["gaps_by_state"] == {"owed": 1}
    journal.add("statement", gap_id=named("g1"), legal_cause="设备故障", signers=[{}, {}])
    summary = view(tmp_path).happened.summary()
    assert summary["gaps_by_state"] == {"signed": 1}
    assert summary["statements"] == [{"gap_id": named("g1"), "legal_cause": "设备故障", "signers": 2}]


def test_the_clock_and_its_steps(journal: PlainJournal, tmp_path: Path) -> None:
    for source in ("none", "none", "gnss"):
        journal.add("standby", clock={"source": source})
    journal.add("event", event="clock-step", detail={"old_offset_us": 1_000_000, "new_offset_us": 3_500_000})
    summary = view(tmp_path).happened.summary()
    assert summary["clock_sources"] == ["none", "gnss"]
    assert summary["clock_steps_s"] == [2.5]


@pytest.mark.parametrize("until", ["prompt resumed", "fault lens-covered", "fault-end lens-covered", "record mark"])
def test_what_is_awaited_comes_behind_what_was(until: str, journal: PlainJournal, tmp_path: Path) -> None:
    awaited = parse_awaited(until)
    for _ in range(2):
        journal.prompt("resumed")
        journal.fault("f", "lens-covered", "onset")
        journal.fault("f", "lens-covered", "end")
        journal.add("mark")
    happened = view(tmp_path).happened
    first = happened.when(awaited, -1)
    assert first is not None and first < 4
    second = happened.when(awaited, first)
    assert second == first + 4
    assert happened.when(awaited, second) is None


def test_a_prompt_that_was_cut_has_not_been_heard(journal: PlainJournal, tmp_path: Path) -> None:
    journal.prompt("resumed", "cut")
    assert view(tmp_path).happened.when(parse_awaited("prompt resumed"), -1) is None


def test_the_latest_gap_is_the_one_that_is_looked_at(journal: PlainJournal, tmp_path: Path) -> None:
    journal.interrupted("g1")
    journal.resumed("g1", "a")
    journal.interrupted("g2")
    happened = view(tmp_path).happened
    assert happened.when(parse_awaited("gap unexplained"), -1) is None
    assert happened.when(parse_awaited("gap interrupted"), -1) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("promt resumed", "must begin with one of prompt, fault"),
        ("prompt resume", "no prompt 'resume'"),
        ("fault lens", "no fault 'lens'"),
        ("record gap", "no record 'gap'"),
        ("gap explaned", "no gap 'explaned'"),
        ("receipted all", "no receipted 'all'"),
    ],
)
def test_what_can_never_come_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_awaited(text)
