"""The interruption machine by example: each transition and each special case of docs/interruptions.md."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.evidence import records as rec
from recorder.evidence.encoding import sha256_of_digests
from tests.session.officer_bench import PROMPT_US, OfficerBench, asking
from tests.session.rig import SECOND, settings

TWO = settings(cameras=("cam0", "cam1"))


def recording(**options: Any) -> OfficerBench:
    bench = OfficerBench(**options)
    bench.run(SECOND)
    bench.start()
    bench.run(4 * SECOND)
    return bench


def interrupted(away_us: int = 2 * SECOND, **options: Any) -> OfficerBench:
    """One gap, resumed; the prompt is being spoken."""
    bench = recording(**options)
    bench.lose("cam0", away_us=away_us)
    bench.run(away_us + SECOND // 2)
    assert bench.phases() == ["unexplained"]
    return bench


def after_prompt(**options: Any) -> OfficerBench:
    bench = interrupted(**options)
    bench.run(PROMPT_US + 2 * SECOND)
    return bench


# --- asking ----------------------------------------------------------------------------------------------------------


def test_the_prompt_comes_within_three_seconds_of_the_first_new_frame_and_names_the_gap() -> None:
    bench = interrupted()
    resumption = bench.records(rec.Resumption)[0]
    assert isinstance(resumption, rec.Resumption)
    at_us, say = next((at, say) for at, say in bench.said if say.prompt_id == "resumed")
    assert at_us - resumption.to_us < 3 * SECOND
    gap = bench.gaps()[0]
    assert gap.resumed is not None and gap.from_wall is not None
    assert say.values == {
        "begin": int(gap.from_wall + 8 * 3600) % 86400,
        "end": int(gap.resumed.wall + 8 * 3600) % 86400,
        "lasted": round(resumption.duration_us / SECOND),
    }


def test_recording_runs_before_the_prompt_is_spoken() -> None:
    bench = interrupted()
    at_us = next(at for at, say in bench.said if say.prompt_id == "resumed")
    resumption = next(line for line in bench.lines if isinstance(line.record, rec.Resumption))
    assert resumption.uptime_us <= at_us
    bench.run(3 * SECOND)
    heads = [line.record for line in bench.lines if isinstance(line.record, rec.Head)]
    assert any(head.entries[0][4] > at_us for head in heads), "media of the time of the prompt is signed"


def test_an_interruption_that_lasts_is_announced_with_what_is_known() -> None:
    bench = recording()
    bench.lose("cam0", "low-battery", away_us=5 * SECOND)
    bench.run(3 * SECOND)
    assert [(say.prompt_id, say.values) for _, say in bench.said] == [("interrupted", {"cause": "battery-low"})]


def test_no_answer_is_asked_again_after_60_300_and_900_seconds_and_stays_visible() -> None:
    bench = interrupted()
    first = next(at for at, say in bench.said if say.prompt_id == "resumed")
    bench.run(2000 * SECOND, step_us=SECOND // 2)
    asked = [(round((at - first) / SECOND), say.prompt_id) for at, say in bench.said if at > first]
    assert asked == [(60, "explanation-missing"), (300, "explanation-missing"), (900, "explanation-missing")]
    assert bench.phases() == ["unexplained"]
    assert bench.explanations() == []


# --- answers ---------------------------------------------------------------------------------------------------------


def test_speech_confirmed_by_the_button_explains_the_gap_and_is_bound() -> None:
    bench = after_prompt()
    began = bench.now
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    (explanation,) = bench.explanations()
    assert (explanation.confirmed, explanation.counts) == ("button", True)
    assert bench.phases() == ["explained"]
    assert "explanation-saved" in bench.prompts()
    total = sum(span.end_us - span.start_us for span in explanation.speech)
    assert 3 * SECOND <= total <= 5 * SECOND
    assert explanation.speech[0].start_us >= began
    check_bound(bench, explanation)
    marks = [mark for mark in bench.records(rec.Mark) if isinstance(mark, rec.Mark)]
    assert [(mark.mark_id, mark.kind) for mark in marks] == [(explanation.mark_id, "explanation")]


def check_bound(bench: OfficerBench, explanation: rec.Explanation) -> None:
    """Every digest, found again in the heads by somebody else's code."""
    entries: dict[str, list[rec.Entry]] = {}
    for line in bench.lines:
        if isinstance(line.record, rec.Head):
            entries.setdefault(line.record.segment_id, []).extend(line.record.entries)
        elif line.record is explanation:
            break
    for span in explanation.speech:
        held = entries[span.segment_id][span.first : span.last + 1]
        assert sha256_of_digests(entry[2] for entry in held) == span.sha256
        assert (span.start_offset, span.end_offset) == (held[0][0], held[-1][0] + held[-1][1])
        assert span.end_us <= held[-1][4]
    interruption = next(
        r for r in bench.records(rec.Interruption) if isinstance(r, rec.Interruption) and r.gap_id == explanation.gap_id
    )
    resumption = next(
        r for r in bench.records(rec.Resumption) if isinstance(r, rec.Resumption) and r.gap_id == explanation.gap_id
    )
    at = next(i for i, line in enumerate(bench.lines) if line.record is interruption)
    before = [line.record for line in bench.lines[:at] if isinstance(line.record, rec.Head)]
    cameras = {s.segment_id: s.camera_id for s in bench.records(rec.SegmentOpen) if isinstance(s, rec.SegmentOpen)}
    before = [head for head in before if cameras[head.segment_id] == interruption.camera_id]
    assert explanation.before_sha256 == before[-1].entries[-1][2]
    after = entries.get(resumption.segment_id, [])
    assert explanation.after_sha256 == (after[1][2] if len(after) > 1 else None)


def test_speech_alone_is_recorded_but_does_not_count_when_the_button_decides() -> None:
    bench = after_prompt()
    bench.speak(5 * SECOND)
    bench.run(60 * SECOND)
    (explanation,) = bench.explanations()
    assert (explanation.confirmed, explanation.counts, explanation.mark_id) == ("speech", False, None)
    assert bench.phases() == ["unexplained"]
    assert "explanation-saved" not in bench.prompts()
    assert "explanation-missing" in bench.prompts()


def test_speech_alone_explains_where_the_configuration_says_so_and_says_that_it_was_not_confirmed() -> None:
    bench = after_prompt(asking=asking(explained_by="speech"))
    bench.speak(5 * SECOND)
    bench.run(6 * SECOND)
    (explanation,) = bench.explanations()
    assert (explanation.confirmed, explanation.counts) == ("speech", True)
    assert bench.phases() == ["explained"]


@pytest.mark.parametrize(("spoken_s", "prompt"), [(0, "explanation-missing"), (2, "explanation-too-short")])
def test_a_press_without_three_seconds_of_speech_is_an_ordinary_mark_and_the_officer_is_told(
    spoken_s: int, prompt: str
) -> None:
    bench = after_prompt()
    if spoken_s:
        bench.speak(spoken_s * SECOND)
    assert not bench.press()
    assert bench.prompts()[-1] == prompt
    assert [mark.kind for mark in bench.records(rec.Mark) if isinstance(mark, rec.Mark)] == ["key"]
    assert bench.explanations() == [] and bench.phases() == ["unexplained"]


def test_three_seconds_in_pieces_are_enough() -> None:
    bench = after_prompt()
    for _ in range(4):
        bench.speak(SECOND)
        bench.run(SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    (explanation,) = bench.explanations()
    assert len({span.start_us for span in explanation.speech}) >= 4
    check_bound(bench, explanation)


def test_the_units_own_voice_is_no_explanation() -> None:
    """The loudspeaker is heard by the microphone; somebody presses mark and nobody has said a word."""
    bench = interrupted(loopback=True)
    bench.run(10 * SECOND)
    assert not bench.press()
    bench.run(120 * SECOND)
    assert bench.explanations() == []


def test_what_is_said_while_the_prompt_is_spoken_and_half_a_second_later_is_left_out() -> None:
    bench = interrupted()
    prompt = next(at for at, say in bench.said if say.prompt_id == "resumed")
    bench.speak(PROMPT_US + 5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    (explanation,) = bench.explanations()
    assert min(span.start_us for span in explanation.speech) >= prompt + PROMPT_US + SECOND // 2


def test_an_explanation_over_two_segments_has_a_span_in_each() -> None:
    bench = after_prompt()
    bench.speak(7 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    (explanation,) = bench.explanations()
    assert len({span.segment_id for span in explanation.speech}) >= 2
    check_bound(bench, explanation)


def test_after_the_answer_time_a_press_is_an_ordinary_mark_again() -> None:
    bench = after_prompt()
    bench.run(150 * SECOND)
    bench.speak(5 * SECOND)
    assert not bench.press()
    assert bench.explanations() == []


# --- the legal class -------------------------------------------------------------------------------------------------


def explained(**options: Any) -> OfficerBench:
    bench = after_prompt(**options)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained"]
    return bench


@pytest.mark.parametrize(
    ("presses", "cause", "key"),
    [
        (1, "设备故障", "equipment"),
        (2, "天气恶劣", "weather"),
        (3, "人为阻挠", "obstruction"),
        (4, "其他客观原因", "other"),
    ],
)
def test_presses_choose_the_class_and_it_is_spoken(presses: int, cause: str, key: str) -> None:
    bench = explained()
    assert bench.prompts()[-1] == "reason-help"
    for _ in range(presses):
        assert bench.press()
        bench.run(SECOND // 2)
    bench.run(3 * SECOND)
    choice = bench.explanations()[-1]
    assert (choice.confirmed, choice.counts, choice.legal_cause, choice.speech) == ("choice", False, cause, ())
    assert bench.said[-1][1].values == {"cause": key}
    assert [state.legal_cause for state in bench.gaps()] == [cause]


def test_a_fifth_press_takes_the_choice_back_and_a_wrong_one_can_be_corrected() -> None:
    bench = explained()
    bench.press(5)
    bench.run(3 * SECOND)
    assert len(bench.explanations()) == 1
    bench.press(3)
    bench.run(3 * SECOND)
    bench.press(1)
    bench.run(3 * SECOND)
    assert [e.legal_cause for e in bench.explanations()] == [None, "人为阻挠", "设备故障"]
    assert [state.legal_cause for state in bench.gaps()] == ["设备故障"]


def test_the_machine_chooses_no_class_by_itself() -> None:
    bench = explained()
    bench.run(60 * SECOND)
    assert [e.legal_cause for e in bench.explanations()] == [None]
    assert not bench.press(), "the time for choosing is over"


def test_without_choice_by_button_presses_stay_marks() -> None:
    bench = explained(asking=asking(choice_us=0))
    assert "reason-help" not in bench.prompts()
    assert not bench.press()


def test_the_class_is_chosen_later_by_command() -> None:
    bench = after_prompt()
    bench.perform(bench.officer.explain(bench.gaps()[0].gap_id, "天气恶劣", bench.moment))
    (choice,) = bench.explanations()
    assert (choice.confirmed, choice.legal_cause) == ("choice", "天气恶劣")
    assert bench.phases() == ["unexplained"], "a class is no spoken reason"
    bench.perform(bench.officer.explain(bench.new_id(), "天气恶劣", bench.moment))
    assert [refusal.code for refusal in bench.refusals] == ["unknown-gap"]


def test_a_question_asked_for_by_command_is_put_at_once() -> None:
    bench = after_prompt()
    bench.run(100 * SECOND)
    before = len(bench.said)
    bench.perform(bench.officer.explain(bench.gaps()[0].gap_id, None, bench.moment))
    bench.run(SECOND)
    assert bench.prompts()[before:] == ["explanation-missing"]
    bench.run(3 * SECOND)
    bench.speak(4 * SECOND)
    assert bench.press()


# --- cannot resume, statements ---------------------------------------------------------------------------------------


def fail_restarts(bench: OfficerBench, count: int, every_us: int = SECOND) -> None:
    for _ in range(count):
        bench.run(every_us)
        bench.perform(bench.officer.failed_restart("cam0", bench.moment))


def test_five_failed_restarts_within_a_minute_say_that_recording_cannot_go_on() -> None:
    bench = recording()
    bench.lose("cam0", away_us=500 * SECOND)
    fail_restarts(bench, 4)
    assert bench.phases() == ["interrupted"]
    fail_restarts(bench, 1)
    assert bench.phases() == ["cannot-resume"]
    (event,) = [e for e in bench.records(rec.Event) if isinstance(e, rec.Event)]
    assert event.detail == {"gap_id": bench.gaps()[0].gap_id, "reason": "restarts"}
    assert bench.prompts()[-1] == "cannot-resume"
    fail_restarts(bench, 7)
    assert bench.prompts().count("cannot-resume") == 1


def test_failures_spread_over_more_than_a_minute_do_not() -> None:
    bench = recording()
    bench.lose("cam0", away_us=500 * SECOND)
    fail_restarts(bench, 12, every_us=16 * SECOND)
    assert bench.phases() == ["interrupted"]


def test_when_the_scene_is_over_a_statement_is_owed_and_its_signing_settles_it() -> None:
    bench = recording()
    bench.lose("cam0", away_us=500 * SECOND)
    bench.run(SECOND)
    bench.perform(bench.officer.cannot_resume(None, bench.moment))
    assert bench.phases() == ["cannot-resume"] and bench.officer.owed() == 1
    bench.stop()
    bench.run(3 * SECOND)
    assert bench.phases() == ["owed"] and bench.officer.owed() == 1
    assert len(bench.records(rec.Event)) == 1, "declared once"
    bench.sign_statement(bench.gaps()[0].gap_id)
    assert bench.phases() == ["signed"] and bench.officer.owed() == 0


def test_a_session_that_ends_in_a_gap_owes_a_statement_without_anybody_declaring_it() -> None:
    bench = recording()
    bench.lose("cam0", away_us=500 * SECOND)
    bench.run(SECOND)
    bench.stop()
    bench.run(3 * SECOND)
    assert bench.phases() == ["owed"]
    (event,) = [e for e in bench.records(rec.Event) if isinstance(e, rec.Event)]
    assert event.detail["reason"] == "session-end"
    assert bench.prompts()[-1] == "cannot-resume"


def test_what_resumes_after_all_is_explained_like_any_other_gap() -> None:
    bench = recording()
    bench.lose("cam0", away_us=10 * SECOND)
    bench.run(SECOND)
    bench.perform(bench.officer.cannot_resume(None, bench.moment))
    bench.run(11 * SECOND)
    assert bench.phases() == ["unexplained"]
    assert bench.prompts()[-1] == "resumed"


def test_nothing_to_declare_is_refused() -> None:
    bench = recording()
    bench.perform(bench.officer.cannot_resume(None, bench.moment))
    assert [refusal.code for refusal in bench.refusals] == ["no-open-gap"]


def test_owed_statements_are_counted_out_at_the_beginning_and_end_of_a_shift() -> None:
    bench = recording()
    for _ in range(2):
        bench.lose("cam0", away_us=500 * SECOND)
        bench.run(SECOND)
        bench.stop()
        bench.run(3 * SECOND)
        bench.lose("cam0", away_us=SECOND)
        bench.start()
        bench.run(4 * SECOND)
    bench.stop()
    bench.run(2 * SECOND)
    bench.power_off()
    pending = [say.values for _, say in bench.said if say.prompt_id == "statements-pending"]
    assert pending == [{"count": bench.officer.owed()}] and bench.officer.owed() == 2


def test_a_stop_by_the_officer_is_no_interruption() -> None:
    bench = recording()
    bench.stop()
    bench.run(5 * SECOND)
    assert bench.gaps() == [] and bench.prompts() == []


def test_an_unexplained_gap_of_a_session_that_is_over_stays_unexplained_and_a_statement_settles_it() -> None:
    bench = after_prompt()
    bench.stop()
    bench.run(1000 * SECOND, step_us=SECOND // 2)
    assert bench.phases() == ["unexplained"]
    assert bench.prompts().count("explanation-missing") == 0, "nobody is left to hear the answer"
    bench.perform(bench.officer.explain(bench.gaps()[0].gap_id, None, bench.moment))
    assert [refusal.code for refusal in bench.refusals] == ["not-recording"]
    bench.sign_statement(bench.gaps()[0].gap_id)
    assert bench.phases() == ["signed"]


# --- repeated, nested, several ---------------------------------------------------------------------------------------


def test_an_interruption_during_an_explanation_keeps_what_was_said_and_asks_again() -> None:
    bench = after_prompt()
    bench.speak(5 * SECOND)
    bench.lose("cam0", away_us=2 * SECOND)
    (kept,) = bench.explanations()
    assert (kept.confirmed, kept.counts) == ("speech", False)
    check_bound(bench, kept)
    bench.run(4 * SECOND)
    assert bench.phases() == ["unexplained", "unexplained"]
    assert bench.prompts().count("resumed") == 2
    bench.run(PROMPT_US)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(30 * SECOND)
    assert bench.phases().count("explained") == 1
    assert bench.prompts()[-1] == "explanation-missing", "the older gap is asked about again"


def test_an_interruption_right_after_the_press_keeps_the_confirmed_answer() -> None:
    bench = after_prompt()
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.lose("cam0", away_us=2 * SECOND)
    (kept,) = bench.explanations()
    assert (kept.confirmed, kept.counts) == ("button", True)
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained", "unexplained"]


def test_a_gap_that_cuts_a_young_question_short_is_asked_about_together_with_it() -> None:
    bench = interrupted()
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(5 * SECOND)
    assert bench.prompts().count("resumed") == 2
    bench.run(PROMPT_US)
    bench.speak(5 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained", "explained"]
    assert len({explanation.gap_id for explanation in bench.explanations()}) == 2
    for explanation in bench.explanations():
        check_bound(bench, explanation)


def test_two_cameras_that_come_back_together_are_one_question() -> None:
    bench = recording(settings=TWO, microphones=("cam0", "cam1"))
    bench.lose("cam0", away_us=2 * SECOND)
    bench.lose("cam1", away_us=2 * SECOND + 300_000)
    bench.run(6 * SECOND)
    assert bench.prompts().count("resumed") == 1
    bench.run(PROMPT_US)
    bench.speak(4 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained", "explained"]
    cameras = {s.segment_id: s.camera_id for s in bench.records(rec.SegmentOpen) if isinstance(s, rec.SegmentOpen)}
    own = {gap.gap_id: gap.camera_id for gap in bench.gaps()}
    for explanation in bench.explanations():
        heard_by = {cameras[span.segment_id] for span in explanation.speech}
        assert heard_by == {own[explanation.gap_id]}, "each in its own picture"


def test_a_camera_without_microphone_is_explained_in_the_picture_of_the_one_that_hears() -> None:
    bench = recording(settings=TWO, microphones=("cam1",))
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(7 * SECOND)
    bench.speak(4 * SECOND)
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained"]


def test_the_other_camera_hears_the_officer_out() -> None:
    bench = recording(settings=TWO, microphones=("cam0", "cam1"))
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(7 * SECOND)
    bench.speak(4 * SECOND)
    bench.lose("cam1", away_us=30 * SECOND)
    assert bench.explanations() == []
    assert bench.press()
    bench.run(4 * SECOND)
    assert bench.phases() == ["explained", "interrupted"]


def test_power_loss_during_the_prompt() -> None:
    bench = interrupted()
    first = bench.gaps()[0].gap_id
    bench.power_cut(30 * SECOND)
    bench.run(6 * SECOND)
    assert bench.phases() == ["unexplained", "unexplained"]
    assert bench.prompts()[-1] == "resumed"
    bench.run(PROMPT_US)
    bench.speak(4 * SECOND)
    assert bench.press()
    bench.run(100 * SECOND)
    assert [state.phase for state in bench.gaps()] == ["unexplained", "explained"]
    assert bench.gaps()[0].gap_id == first
    assert bench.prompts()[-1] in ("explanation-missing", "resumed"), "the older one is asked about again"
    check_bound(bench, bench.explanations()[0])


def test_a_power_cut_between_the_end_of_a_session_and_the_record_of_what_is_owed() -> None:
    bench = recording()
    bench.lose("cam0", away_us=500 * SECOND)
    bench.run(SECOND)
    bench.stop()
    bench.run(3 * SECOND)
    event = next(line for line in bench.lines if isinstance(line.record, rec.Event))
    states = bench.state.gap_book.states
    states.update({gap_id: state.model_copy(update={"declared": False}) for gap_id, state in states.items()})
    bench.power_cut(SECOND)
    bench.run(SECOND)
    events = [e for e in bench.records(rec.Event) if isinstance(e, rec.Event) and e.event == "cannot-resume"]
    assert len(events) == 2 and isinstance(event.record, rec.Event) and events[1].detail == event.record.detail


def test_a_session_given_up_at_the_start_owes_a_statement() -> None:
    bench = recording(settings=settings(resume_open_recording=False))
    bench.power_cut(30 * SECOND)
    bench.run(2 * SECOND)
    assert bench.phases() == ["owed"]
    assert "cannot-resume" in bench.prompts()
