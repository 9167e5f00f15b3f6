"""全程 mode: a hold asks, a reason ends, nothing else does; and 一般 mode is never asked anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.session.stop_rules import CHOICES, Ask, Chosen, Stop, StopRules, StopRuleSettings

S = 1_000_000


def asked(now_us: int = 10 * S) -> StopRules:
    rules = StopRules()
    assert rules.hold(now_us, "全程") == Ask()
    return rules


def test_an_ordinary_recording_ends_with_the_first_hold() -> None:
    assert StopRules().hold(5, "一般") == Stop(None)
    assert StopRules().hold(5, None) == Stop(None)


def test_three_seconds_of_speech_after_the_question_are_a_reason() -> None:
    rules = asked()
    rules.speech("cam0", 14 * S, 15 * S)
    rules.speech("cam0", 14 * S, 17 * S)
    answer = rules.hold(20 * S, "全程")
    assert isinstance(answer, Stop) and answer.stated is not None
    assert (answer.stated.by, answer.stated.spoken) == ("speech", ((14 * S, 17 * S),))
    assert answer.stated.asked_us == 10 * S


def test_a_little_less_is_none() -> None:
    rules = asked()
    rules.speech("cam0", 14 * S, 17 * S - 1)
    assert rules.hold(20 * S, "全程") == Ask()


def test_what_was_said_before_the_question_is_no_answer_to_it() -> None:
    rules = StopRules()
    rules.speech("cam0", 1 * S, 9 * S)
    assert rules.hold(10 * S, "全程") == Ask()
    rules.speech("cam0", 8 * S, 12 * S)
    assert rules.spoken() == ((10 * S, 12 * S),)
    assert rules.hold(13 * S, "全程") == Ask()


def test_the_units_own_prompt_is_nobodys_reason() -> None:
    rules = asked()
    rules.prompt(11 * S, 15 * S)
    rules.speech("cam0", 11 * S, 15 * S + S // 2)
    assert rules.spoken() == ()
    assert rules.hold(16 * S, "全程") == Ask()
    rules.speech("cam0", 16 * S, 19 * S)
    assert isinstance(rules.hold(20 * S, "全程"), Stop)


def test_two_microphones_hear_one_voice_once() -> None:
    rules = asked()
    rules.speech("cam0", 12 * S, 14 * S)
    rules.speech("cam1", 12 * S, 14 * S)
    assert rules.hold(15 * S, "全程") == Ask()


def test_the_mark_button_counts_through_the_choices() -> None:
    rules = StopRules()
    assert rules.mark(5 * S) is None, "without a question it is a mark"
    rules.hold(10 * S, "全程")
    assert [rules.mark(11 * S) for _ in range(len(CHOICES) + 1)] == [Chosen(c) for c in (*CHOICES, CHOICES[0])]
    answer = rules.hold(12 * S, "全程")
    assert isinstance(answer, Stop) and answer.stated is not None
    assert (answer.stated.by, answer.stated.choice) == ("choice", CHOICES[0])


def test_a_question_nobody_answers_is_put_again() -> None:
    rules = StopRules(StopRuleSettings(window_us=60 * S))
    rules.hold(10 * S, "全程")
    rules.mark(11 * S)
    rules.speech("cam0", 12 * S, 18 * S)
    assert not rules.asked(71 * S) and rules.mark(71 * S) is None
    assert rules.hold(71 * S, "全程") == Ask()
    assert rules.hold(72 * S, "全程") == Ask(), "old answers do not count for the new question"


def test_a_prompt_that_began_before_the_question_is_nobodys_reason_either() -> None:
    """The question itself waits until the prompt is over that is being spoken; the officer holds again."""
    rules = StopRules()
    rules.prompt(5 * S, 16 * S)
    assert rules.hold(10 * S, "全程") == Ask()
    rules.speech("cam0", 5 * S, 15 * S)
    assert rules.hold(15 * S, "全程") == Ask()


def test_a_prompt_that_was_not_heard_hides_nobodys_words() -> None:
    rules = asked()
    rules.prompt(13 * S, 13 * S)
    rules.prompt(14 * S, 20 * S)
    rules.prompt(14 * S, 14 * S)
    rules.speech("cam0", 12 * S, 15 * S)
    assert rules.spoken() == ((12 * S, 15 * S),)


def test_a_prompt_that_was_cut_hides_only_what_was_said_while_it_lasted() -> None:
    rules = asked()
    rules.prompt(11 * S, 20 * S)
    rules.prompt(11 * S, 12 * S)
    rules.speech("cam0", 13 * S, 16 * S)
    assert isinstance(rules.hold(17 * S, "全程"), Stop)


def test_who_is_asked_something_else_afterwards_is_asked_again_before_it_stops() -> None:
    rules = asked()
    rules.mark(11 * S)
    rules.superseded(9 * S)
    assert rules.asked(12 * S), "that was before"
    rules.superseded(12 * S)
    assert rules.mark(13 * S) is None
    assert rules.hold(14 * S, "全程") == Ask()
    assert rules.hold(15 * S, "全程") == Ask(), "the choice was for another question"


def test_an_answered_question_takes_no_more_marks() -> None:
    rules = asked()
    rules.mark(11 * S)
    assert isinstance(rules.hold(12 * S, "全程"), Stop)
    assert rules.mark(13 * S) is None


def test_in_a_noisy_place_the_latest_words_are_remembered() -> None:
    rules = asked()
    for index in range(200):
        rules.speech("cam0", 11 * S + index * 400_000, 11 * S + index * 400_000 + 20_000)
    rules.speech("cam0", 95 * S, 99 * S)
    assert isinstance(rules.hold(100 * S, "全程"), Stop)


SPANS = st.lists(st.tuples(st.sampled_from(["cam0", "cam1"]), st.integers(0, 60), st.integers(1, 8)), max_size=12)
PROMPTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6)), max_size=4)


@given(spans=SPANS, prompts=PROMPTS, asked_s=st.integers(0, 40))
def test_spoken_time_is_heard_time_after_the_question_outside_the_prompts(
    spans: list[tuple[str, int, int]], prompts: list[tuple[int, int]], asked_s: int
) -> None:
    rules = StopRules(StopRuleSettings(margin_us=0))
    rules.hold(asked_s * S, "全程")
    heard: set[int] = set()
    for camera, start, length in spans:
        rules.speech(camera, start * S, (start + length) * S)
    for start, length in prompts:
        rules.prompt(start * S, (start + length) * S)
    longest: dict[tuple[str, int], int] = {}
    for camera, start, length in spans:
        longest[camera, start] = max(length, longest.get((camera, start), 0))
    for (_, start), length in longest.items():
        heard |= set(range(start, start + length))
    last = dict(prompts)  # a later report of the same prompt knows better
    own = {second for start, length in last.items() for second in range(start, start + length)}
    expected = {second for second in heard - own if second >= asked_s}
    spoken = rules.spoken()
    assert {s for begin, end in spoken for s in range(begin // S, end // S)} == expected
    assert sum(end - begin for begin, end in spoken) == len(expected) * S, "no second counts twice"
    assert isinstance(rules.hold((asked_s + 70) * S, "全程"), Stop) == (len(expected) >= 3)
