"""Whose answer it is, and to which question: a faint voice, too short an answer, the gap named, another question."""

from __future__ import annotations

import pytest

from recorder.evidence import records as rec
from tests.session.officer_bench import OfficerBench, asking
from tests.session.rig import SECOND, settings
from tests.session.test_interruptions import after_prompt

BY_VOICE = asking(explained_by="speech")


def spoken(bench: OfficerBench, seconds: int, level_dbfs: float) -> None:
    bench.level_dbfs = level_dbfs
    bench.speak(seconds * SECOND)


# --- whose voice -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level_dbfs", "counts"), [(-46.0, False), (-36.1, False), (-36.0, True), (-20.0, True)])
def test_without_a_press_only_a_voice_as_near_as_the_officers_counts(level_dbfs: float, counts: bool) -> None:
    bench = after_prompt(asking=BY_VOICE)
    spoken(bench, 5, level_dbfs)
    bench.run(65 * SECOND)
    (explanation,) = bench.explanations()
    assert (explanation.confirmed, explanation.counts) == ("speech", counts)
    assert bench.phases() == ["explained" if counts else "unexplained"]


def test_a_bystander_who_goes_on_talking_neither_counts_nor_keeps_the_officers_answer_waiting() -> None:
    bench = after_prompt(asking=BY_VOICE)
    spoken(bench, 5, -46.0)
    officer_us = bench.now + SECOND
    bench.run(SECOND)
    spoken(bench, 4, -20.0)
    officer_end_us = bench.now
    bench.run(SECOND // 2)
    spoken(bench, 8, -46.0)
    (explanation,) = bench.explanations()
    assert explanation.counts
    assert all(officer_us <= span.start_us <= span.end_us <= officer_end_us for span in explanation.speech)


def test_an_officer_who_speaks_softly_and_presses_is_believed() -> None:
    bench = after_prompt(asking=BY_VOICE)
    spoken(bench, 4, -50.0)
    assert bench.press()
    bench.run(4 * SECOND)
    assert [(e.confirmed, e.counts) for e in bench.explanations()] == [("button", True)]


def test_a_faint_voice_that_an_interruption_cuts_short_counts_as_little() -> None:
    bench = after_prompt(asking=BY_VOICE)
    spoken(bench, 5, -46.0)
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(SECOND)
    assert [(e.confirmed, e.counts) for e in bench.explanations()] == [("speech", False)]


# --- too short after all ---------------------------------------------------------------------------------------------


def test_who_is_told_to_explain_again_can_do_so_at_once() -> None:
    """A span that still seemed to grow when the officer pressed turns out to have ended: too short after all."""
    bench = after_prompt()
    bench.run(3 * SECOND)
    bench.speech.speech("cam0", bench.now - 1_900_000, bench.now, False, bench.now)
    bench.run(1_200_000)
    assert bench.press(), "with what it had presumably grown by it was enough"
    bench.run(3 * SECOND)
    assert bench.explanations() == [] and bench.prompts()[-1] == "explanation-too-short"
    bench.run(3 * SECOND)
    bench.speak(4 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained"]


# --- the gap that was named ------------------------------------------------------------------------------------------


def test_the_command_asks_about_the_gap_it_names_and_about_the_other_one_afterwards() -> None:
    bench = after_prompt()
    bench.run(20 * SECOND)
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(25 * SECOND)
    old, new = (state.gap_id for state in bench.gaps())
    bench.perform(bench.officer.explain(old, None, bench.moment))
    bench.run(4 * SECOND)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert [explanation.gap_id for explanation in bench.explanations()] == [old]
    bench.run(30 * SECOND)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert [explanation.gap_id for explanation in bench.explanations()] == [old, new]


def test_the_command_for_another_gap_does_not_make_one_question_of_two() -> None:
    """Also while the other question is so young that an interruption would have merged it."""
    bench = after_prompt()
    bench.run(20 * SECOND)
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(7 * SECOND)
    old, _ = (state.gap_id for state in bench.gaps())
    bench.perform(bench.officer.explain(old, None, bench.moment))
    bench.run(4 * SECOND)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert [explanation.gap_id for explanation in bench.explanations()] == [old]


def test_a_gap_that_the_same_words_have_just_explained_is_not_asked_about_again() -> None:
    bench = after_prompt(asking=BY_VOICE)
    spoken(bench, 4, -20.0)
    (gap,) = bench.gaps()
    asked = len(bench.said)
    bench.perform(bench.officer.explain(gap.gap_id, None, bench.moment))
    bench.run(3 * SECOND)
    assert bench.phases() == ["explained"]
    assert "resumed" not in bench.prompts()[asked:] and "explanation-missing" not in bench.prompts()[asked:]


# --- another question ------------------------------------------------------------------------------------------------


def test_what_is_said_after_another_question_is_no_answer_to_this_one() -> None:
    bench = after_prompt(asking=BY_VOICE)
    bench.perform(bench.officer.superseded(bench.moment))
    spoken(bench, 5, -20.0)
    assert not bench.press()
    bench.run(10 * SECOND)
    assert bench.explanations() == [] and bench.phases() == ["unexplained"]
    bench.run(60 * SECOND)
    assert bench.prompts()[-1] == "explanation-missing", "it is put again in its time"


def test_what_was_said_before_another_question_is_kept() -> None:
    bench = after_prompt()
    began_us = bench.now
    bench.speak(5 * SECOND)
    ended_us = bench.now
    bench.perform(bench.officer.superseded(bench.moment))
    bench.speak(5 * SECOND)
    bench.run(5 * SECOND)
    (explanation,) = bench.explanations()
    assert (explanation.confirmed, explanation.counts) == ("speech", False)
    assert began_us <= explanation.speech[0].start_us and explanation.speech[-1].end_us <= ended_us


def test_a_class_that_was_being_chosen_is_taken_as_far_as_it_was() -> None:
    bench = after_prompt()
    bench.speak(5 * SECOND)
    bench.press()
    bench.run(4 * SECOND)
    bench.press(3)
    bench.perform(bench.officer.superseded(bench.moment))
    assert bench.explanations()[-1].legal_cause == "人为阻挠"
    assert not bench.press(), "the next one is for the other question"
    assert [mark.kind for mark in bench.records(rec.Mark) if isinstance(mark, rec.Mark)] == ["explanation", "key"]


def test_two_cameras_and_two_microphones_bind_the_officers_voice_not_the_bystanders() -> None:
    bench = after_prompt(asking=BY_VOICE, settings=settings(cameras=("cam0", "cam1")), microphones=("cam0", "cam1"))
    spoken(bench, 4, -20.0)
    bench.run(5 * SECOND)
    assert [explanation.counts for explanation in bench.explanations()] == [True]
