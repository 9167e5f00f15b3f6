"""What the judge holds a command from afar to have done: what stands from ``accepted`` to ``done``, and nothing else."""

from __future__ import annotations

import random

from hw_sim.deterministic.account import Line
from hw_sim.deterministic.desk import Desk, Sent, obeyed_once
from hw_sim.deterministic.timeline import Timeline
from hw_sim.deterministic.trace import Trace

COMMAND = "808868af-9f70-4092-bb7d-2a1ff82ee865"


def desk() -> Desk:
    timeline = Timeline()
    made = Desk(timeline, random.Random(0), Trace(timeline), lambda: None, lambda: 0, "zfy-0001")
    made.sent[COMMAND] = Sent(COMMAND, "mark", "", True)
    return made


def journal(*records: str) -> list[Line]:
    """Lines numbered from 0: ``mark``, or the result of the command."""
    return [
        Line(seq, "mark", {}, "")
        if record == "mark"
        else Line(seq, "command", {"command_id": COMMAND, "source": "mqtt", "name": "mark", "result": record}, "")
        for seq, record in enumerate(records)
    ]


def test_a_mark_of_the_officer_after_an_early_refusal_is_not_the_commands() -> None:
    """The unit's clock was five minutes slow: the command came too early, the officer marked, and it came again."""
    assert obeyed_once(desk(), journal("refused", "mark", "accepted", "mark", "done", "mark")) == []


def test_two_marks_of_one_command_are_found_whatever_stands_before() -> None:
    (violation,) = obeyed_once(desk(), journal("refused", "mark", "accepted", "mark", "mark", "done"))
    assert violation.text == f"command {COMMAND} set 2 marks"


def test_a_command_that_was_done_and_set_no_mark_is_found() -> None:
    (violation,) = obeyed_once(desk(), journal("refused", "mark", "accepted", "done"))
    assert violation.text == f"command {COMMAND} set 0 marks"
