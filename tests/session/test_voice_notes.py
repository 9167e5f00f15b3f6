"""Voice notes: how they begin, how they end, and what they are bound to."""

from __future__ import annotations

import pytest

from recorder.evidence import records as rec
from recorder.session.voice_notes import NoteSettings
from tests.session.officer_bench import PROMPT_US, OfficerBench
from tests.session.rig import SECOND
from tests.session.test_interruption_properties import check_records
from tests.session.test_interruptions import after_prompt, recording


def noted(bench: OfficerBench) -> rec.Note:
    (note,) = [record for record in bench.records(rec.Note) if isinstance(record, rec.Note)]
    check_records(bench)
    return note


def begun() -> OfficerBench:
    """The officer has pressed long and heard that they may speak."""
    bench = recording()
    bench.long_press()
    assert bench.prompts() == ["note-begin"]
    bench.run(PROMPT_US + SECOND)
    return bench


@pytest.mark.parametrize("second", ["press", "long_press"])
def test_a_second_press_ends_it_and_is_no_mark(second: str) -> None:
    bench = begun()
    bench.speak(3 * SECOND)
    getattr(bench, second)()
    bench.run(4 * SECOND)
    note = noted(bench)
    assert note.ended == "press"
    assert 2 * SECOND < sum(span.end_us - span.start_us for span in note.speech) <= 3 * SECOND
    assert bench.prompts()[-1] == "note-saved"
    assert bench.records(rec.Mark) == []


def test_silence_ends_it() -> None:
    bench = begun()
    bench.speak(2 * SECOND)
    bench.run(20 * SECOND)
    note = noted(bench)
    assert note.ended == "silence"
    assert note.to_us - note.speech[-1].end_us >= 5 * SECOND


def test_the_time_of_the_prompt_is_no_silence() -> None:
    bench = recording(notes=NoteSettings(silence_us=SECOND, longest_us=60 * SECOND))
    bench.long_press()
    bench.run(PROMPT_US)
    assert bench.voice_notes.open


def test_a_note_has_a_longest_time() -> None:
    bench = begun()
    bench.speak(100 * SECOND)
    note = noted(bench)
    assert note.ended == "maximum"
    assert note.to_us - note.from_us <= 61 * SECOND


def test_a_note_in_which_nobody_speaks_is_recorded_as_that_and_the_officer_is_told() -> None:
    bench = begun()
    bench.run(20 * SECOND)
    note = noted(bench)
    assert (note.ended, note.speech) == ("silence", ())
    assert bench.prompts()[-1] == "sound-silent"


@pytest.mark.parametrize("state", ["standby", "interrupted"])
def test_where_nothing_is_recorded_it_is_refused(state: str) -> None:
    bench = OfficerBench()
    bench.run(SECOND)
    if state == "interrupted":
        bench = recording()
        bench.lose("cam0", away_us=60 * SECOND)
        bench.run(SECOND)
    bench.long_press()
    assert [refusal.code for refusal in bench.refusals] == ["not-recording"]
    bench.run(20 * SECOND)
    assert bench.records(rec.Note) == []


@pytest.mark.parametrize("end", ["stop", "interruption"])
def test_the_end_of_the_recording_ends_it_and_what_was_said_is_kept(end: str) -> None:
    bench = begun()
    bench.speak(3 * SECOND)
    if end == "stop":
        bench.stop()
        bench.run(SECOND)
    else:
        bench.lose("cam0")
    note = noted(bench)
    assert note.ended == end
    assert note.speech


def test_a_voice_note_is_no_explanation() -> None:
    bench = after_prompt()
    bench.long_press()
    bench.run(PROMPT_US + SECOND)
    bench.speak(5 * SECOND)
    bench.long_press()
    bench.run(4 * SECOND)
    assert noted(bench).speech
    assert not bench.press(), "nothing but the note was said"
    assert bench.explanations() == [] and bench.phases() == ["unexplained"]


def test_a_note_begun_while_the_last_one_is_being_saved_is_refused() -> None:
    bench = begun()
    bench.speak(2 * SECOND)
    bench.press()
    bench.long_press()
    assert [refusal.code for refusal in bench.refusals] == ["note-open"]
