"""Commands under way: each is repeated until its own unit answers, none after its term, and none is forgotten."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.fleet.exchange import FIRST_PAUSE_US, LONGEST_PAUSE_US, Exchange
from recorder.fleet.signing import SignedCommand

UNTIL = 1000.0


def command(number: int) -> SignedCommand:
    return SignedCommand(f"zfy-{number}", f"id-{number}", "mark", "a.b.c", UNTIL)


def answer(number: int, result: str = "done", **more: Any) -> dict[str, Any]:
    return {"in_reply_to": f"id-{number}", "result": result, "code": "", "zh": "已执行", "en": "done", "seq": 7} | more


def test_each_is_repeated_ever_more_rarely_until_it_is_answered() -> None:
    talk = Exchange([command(1), command(2)], 0)
    assert [c.unit_id for c in talk.due(0, 0.0)] == ["zfy-1", "zfy-2"]
    assert talk.due(FIRST_PAUSE_US - 1, 0.0) == [] and talk.next_us() == FIRST_PAUSE_US
    assert talk.answered("zfy-1", answer(1)) is not None
    assert [c.unit_id for c in talk.due(FIRST_PAUSE_US, 0.0)] == ["zfy-2"]
    assert talk.due(2 * FIRST_PAUSE_US, 0.0) == []
    talk.connected_again(2 * FIRST_PAUSE_US)
    assert [c.unit_id for c in talk.due(2 * FIRST_PAUSE_US, 0.0)] == ["zfy-2"]
    assert talk.answered("zfy-2", answer(2, "refused", code="not-recording")) is not None
    assert talk.complete and talk.next_us() is None
    assert [(r.result, r.code, r.seq) for r in talk.reports()] == [("done", "", 7), ("refused", "not-recording", 7)]


def test_what_is_no_answer_of_that_unit_to_that_command_is_none() -> None:
    talk = Exchange([command(1)], 0)
    assert talk.answered("zfy-2", answer(1)) is None, "another unit says so"
    assert talk.answered("zfy-1", answer(2)) is None
    assert talk.answered("zfy-1", answer(1, "perhaps")) is None
    assert talk.answered("zfy-1", {"in_reply_to": 7}) is None
    assert talk.answered("zfy-1", {}) is None
    report = talk.answered("zfy-1", answer(1, seq="seven"))
    assert report is not None and report.seq is None
    assert talk.answered("zfy-1", answer(1)) is None, "it has been answered"


def test_without_an_answer_the_admin_is_told_that_it_may_still_happen() -> None:
    (report,) = Exchange([command(1)], 0).reports()
    assert report.result == "no-answer" and "仍可能" in report.zh and "may still" in report.en


@given(st.lists(st.integers(0, 2 * LONGEST_PAUSE_US), max_size=30), st.floats(0, 2000))
def test_nothing_is_sent_after_its_term_and_the_next_look_is_always_ahead(steps: list[int], wall_s: float) -> None:
    talk, now = Exchange([command(1)], 0), 0
    for step in steps:
        now += step
        assert bool(talk.due(now, wall_s)) <= (wall_s < UNTIL)
        upcoming = talk.next_us()
        assert upcoming is not None and now < upcoming <= now + LONGEST_PAUSE_US
