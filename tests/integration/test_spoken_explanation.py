"""语音说明 (art. 23) end to end: real processes, encoder, detector and journal; only the world is simulated, and in it the
unit's loudspeaker stands beside its microphone, so that it hears its own prompts.

Two shifts run beside each other, each with several gaps; every test then looks at one question. ``by hand``: only what the
officer confirmed by the button counts, the default. ``by voice``: detected speech counts, too (``explained_by``).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hw_sim.agency.agency import Agency
from hw_sim.devices.room import PlacedSound
from hw_sim.runner.media import MEDIA
from hw_sim.soundscape import LOUDSPEAKER_DELAY_US, LOUDSPEAKER_GAIN_DB
from recorder.evidence.verify.command import read_identities, verify
from recorder.evidence.verify.report import GapReport, VaultReport
from tests.integration.rig import Rig
from tests.integration.shift_kit import LONG_PRESS_S, Heard, Scene, Span
from tests.support import leave_to_ci

pytestmark = pytest.mark.timeout(240)

SECOND = 1_000_000
ECHO_US = 500_000
PROMPT_WITHIN_US = 3 * SECOND
"""Issue: from the first new frame to the question."""

EDGE_US = 500_000
"""How far a detected span may reach beyond a clip: a frame, the hysteresis, and a little echo."""

BASE: dict[str, Any] = {
    "capture": {"segment_s": 6},
    "interruption": {"choice_s": 0},
    "matter": {"checklist": []},  # nothing more to be said than has to do with the gaps
}


@dataclass
class Shift:
    """A shift that is over. ``sounds``: what was placed in the air, by what it is here."""

    rig: Rig
    sounds: dict[str, PlacedSound] = field(default_factory=dict)
    presses: dict[str, int] = field(default_factory=dict)
    explained_by_bystander: bool | None = None
    vault: VaultReport | None = None

    def gaps(self) -> list[GapReport]:
        assert self.vault is not None
        return sorted(self.vault.gaps, key=lambda gap: gap.start)

    def explanations(self, gap: GapReport) -> list[dict[str, Any]]:
        return [record for record in self.rig.of("explanation") if record["gap_id"] == gap.gap_id]

    def codes(self) -> set[str]:
        assert self.vault is not None
        return {finding.code for finding in self.vault.findings}

    def prompts(self, prompt_id: str | None = None) -> list[Span]:
        """Intervals in which the unit itself was heard."""
        events = [event["detail"] for event in self.rig.of("event") if event["event"] == "prompt"]
        heard = [event for event in events if prompt_id in (None, event["id"])]
        return [(event["from_us"], event["to_us"]) for event in heard if event["to_us"] > event["from_us"]]

    def close(self) -> None:
        assert self.rig.stop() == 0
        report = verify(self.rig.layout.unit, self.rig.layout.trust, self.rig.layout.identity)
        (self.vault,) = report.vaults


def by_hand(scene: Scene, shift: Shift) -> None:
    scene.rig.start()
    scene.rig.record()
    scene.interrupt()
    shift.presses["after the prompt"] = scene.press()
    scene.answered(shift.presses["after the prompt"])
    shift.sounds["officer"] = scene.say("officer_explains", "officer")
    shift.presses["after the officer"] = scene.press()
    scene.rig.wait(lambda: bool(scene.rig.of("explanation")), "the explanation is bound")

    scene.interrupt()
    shift.sounds["traffic"] = scene.traffic(4)
    shift.presses["after the traffic"] = scene.press()
    scene.answered(shift.presses["after the traffic"])
    shift.sounds["bystander"] = scene.say("bystander_talks", "bystander")
    scene.rig.end_recording()


def by_voice(scene: Scene, shift: Shift) -> None:
    scene.rig.start()
    scene.rig.record()
    scene.interrupt()
    shift.sounds["traffic"] = scene.traffic(4)
    asked_us = scene.press(LONG_PRESS_S)
    scene.rig.wait(lambda: bool(scene.prompts(asked_us, "note-begin")), "the unit asks for the note")
    scene.hush()
    shift.sounds["note"] = scene.say("officer_explains", "officer")
    scene.press()
    scene.rig.wait(lambda: bool(scene.rig.of("note")), "the note is bound")
    scene.rig.end_recording()

    scene.rig.record()
    scene.interrupt()
    shift.sounds["bystander"] = scene.say("bystander_talks", "bystander")
    scene.until(scene.now_us() + 5 * SECOND)
    shift.explained_by_bystander = bool(scene.rig.of("explanation"))
    shift.sounds["officer"] = scene.say("officer_explains", "officer")
    scene.rig.wait(lambda: bool(scene.rig.of("explanation")), "the explanation is bound")
    scene.rig.end_recording()


@pytest.fixture(scope="module")
def shifts(agency: Agency, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shift, Shift]]:
    """Both shifts, over and verified. A desk has the scenario ``camera_unplugged``: one answer, spoken and confirmed."""
    leave_to_ci("两个班次的语音说明 spoken explanations in two shifts, 80 s")
    quiet = {"microphone.scene": "quiet"}
    voice = {**BASE, "interruption": {**BASE["interruption"], "explained_by": "speech"}}
    folder = tmp_path_factory.mktemp("spoken")
    with (
        Rig(folder / "hand", agency, BASE, unit_id="zfy-by-hand", world=quiet) as one,
        Rig(folder / "voice", agency, voice, unit_id="zfy-by-voice", world=quiet) as two,
    ):
        taken = Shift(one), Shift(two)
        for rig in (one, two):
            rig.enrol(agency)
        with ThreadPoolExecutor() as side_by_side:
            plays = (by_hand, by_voice)
            running = [side_by_side.submit(play, Scene(s.rig), s) for play, s in zip(plays, taken, strict=True)]
            for each in running:
                each.result()
        for shift in taken:
            shift.close()
        yield taken


def spans_of(record: dict[str, Any]) -> list[Span]:
    return [(span["start_us"], span["end_us"]) for span in record["speech"]]


def total(spans: list[Span]) -> int:
    return sum(end - start for start, end in spans)


def apart(one: Span, other: Span) -> bool:
    return one[1] <= other[0] or other[1] <= one[0]


def around(sound: PlacedSound) -> Span:
    return sound.at_us - EDGE_US, sound.end_us + EDGE_US


def inside(spans: list[Span], sound: PlacedSound) -> bool:
    first, last = around(sound)
    return all(first <= start < end <= last for start, end in spans)


def test_the_question_follows_the_first_new_frame_within_three_seconds(shifts: tuple[Shift, Shift]) -> None:
    for shift in shifts:
        opened = {record["segment_id"]: record for record in shift.rig.of("segment-open")}
        resumptions = shift.rig.of("resumption")
        asked = [
            e["detail"]["from_us"]
            for e in shift.rig.of("event")
            if e["event"] == "prompt-begun" and e["detail"]["id"] == "resumed"
        ]
        assert len(resumptions) == len(asked) == 2
        for resumption, at_us in zip(resumptions, asked, strict=True):
            first_frame_us = opened[resumption["segment_id"]]["media_start_us"]
            assert 0 <= at_us - first_frame_us <= PROMPT_WITHIN_US


def test_what_the_officer_said_and_confirmed_explains_the_gap(shifts: tuple[Shift, Shift]) -> None:
    shift = shifts[0]
    gap = shift.gaps()[0]
    (explanation,) = shift.explanations(gap)
    assert (explanation["confirmed"], explanation["counts"]) == ("button", True)
    spans = spans_of(explanation)
    assert inside(spans, shift.sounds["officer"]) and total(spans) >= 5 * SECOND
    assert (gap.explained, gap.confirmed, gap.counted, gap.speech_us) == (True, "button", True, total(spans))
    marks = [mark for mark in shift.rig.of("mark") if mark["kind"] == "explanation"]
    assert [mark["mark_id"] for mark in marks] == [explanation["mark_id"]]
    assert marks[0]["at_us"] - shift.presses["after the officer"] < SECOND


def test_the_bound_bytes_hold_the_officers_words(shifts: tuple[Shift, Shift], tmp_path: Path) -> None:
    """Unsealed with the agency's identity: only what the spans say is looked at."""
    for shift, gap in ((shifts[0], 0), (shifts[1], 1)):
        (explanation,) = shift.explanations(shift.gaps()[gap])
        segments = [span["segment_id"] for span in explanation["speech"]]
        heard = Heard(shift.rig, segments, read_identities(shift.rig.layout.identity), tmp_path)
        spans = spans_of(explanation)
        begun_us = shift.sounds["officer"].at_us
        fit, gain_db = heard.match(MEDIA / "officer_explains.wav", begun_us, spans)
        assert fit > 0.9 and gain_db == pytest.approx(0, abs=1.5)
        other, _ = heard.match(MEDIA / "bystander_talks.wav", begun_us, spans)
        assert other < 0.3, "other words do not fit"


def test_the_units_own_prompt_was_heard_and_explains_nothing(shifts: tuple[Shift, Shift], tmp_path: Path) -> None:
    shift = shifts[0]
    resumption = shift.rig.of("resumption")[0]
    prompt = next(span for span in shift.prompts("resumed") if span[0] >= resumption["to_us"])
    near = [event for event in shift.rig.world.speaker_events() if abs(event.at_us - prompt[0]) < SECOND]
    played = max(near, key=lambda event: event.duration_us)  # a beep may have sounded before it
    segments = [
        record["segment_id"]
        for record in shift.rig.of("segment-close")
        if record["media_end_us"] > prompt[0] and record["media_start_us"] < prompt[1]
    ]
    heard = Heard(shift.rig, segments, read_identities(shift.rig.layout.identity), tmp_path)
    fit, gain_db = heard.match(
        Path(played.wav), played.at_us + LOUDSPEAKER_DELAY_US, [(prompt[0], prompt[1] + ECHO_US)]
    )
    assert fit > 0.9 and gain_db == pytest.approx(LOUDSPEAKER_GAIN_DB, abs=1.5)
    assert heard.speech_us(prompt) > 5 * SECOND, "the detector takes it for a voice"

    pressed_us = shift.presses["after the prompt"]
    kinds = [mark["kind"] for mark in shift.rig.of("mark") if abs(mark["at_us"] - pressed_us) < SECOND]
    assert kinds == ["key"], "an ordinary mark"
    told = [span for span in shift.prompts("explanation-missing") if 0 < span[0] - pressed_us < 5 * SECOND]
    assert len(told) == 1, "told that nothing was heard, not even too little"


def test_no_bound_speech_touches_a_prompt_or_its_echo(shifts: tuple[Shift, Shift]) -> None:
    for shift in shifts:
        spans = [span for record in shift.rig.of("explanation") for span in spans_of(record)]
        own = [(begin, end + ECHO_US) for begin, end in shift.prompts()]
        assert spans and own
        assert all(apart(span, prompt) for span in spans for prompt in own)


def test_silence_and_traffic_explain_nothing_even_where_speech_counts(shifts: tuple[Shift, Shift]) -> None:
    shift = shifts[1]
    gap = shift.gaps()[0]
    assert shift.explanations(gap) == []
    assert (gap.explained, gap.confirmed, gap.speech_us) == (False, None, 0)
    assert "gap-unexplained" in shift.codes()


def test_a_press_after_traffic_is_an_ordinary_mark_and_no_explanation(shifts: tuple[Shift, Shift]) -> None:
    shift = shifts[0]
    pressed_us = shift.presses["after the traffic"]
    marks = [mark["kind"] for mark in shift.rig.of("mark") if abs(mark["at_us"] - pressed_us) < SECOND]
    assert marks == ["key"]
    kinds = [mark["kind"] for mark in shift.rig.of("mark")]
    assert kinds == ["key", "explanation", "key"]
    assert not [e for e in shift.rig.of("explanation") if e["confirmed"] == "button" and e["mark_id"] is None]
    assert [e["confirmed"] for e in shift.explanations(shift.gaps()[1])] == ["speech"], "the bystander's, below"


def test_a_bystander_is_recorded_and_counts_for_nothing(shifts: tuple[Shift, Shift]) -> None:
    shift = shifts[0]
    gap = shift.gaps()[1]
    (explanation,) = shift.explanations(gap)
    assert (explanation["confirmed"], explanation["counts"], explanation["mark_id"]) == ("speech", False, None)
    spans = spans_of(explanation)
    assert inside(spans, shift.sounds["bystander"]) and total(spans) >= 3 * SECOND, "nothing of the traffic"
    assert (gap.explained, gap.counted, gap.confirmed) == (False, False, "speech")
    assert "gap-unexplained" in shift.codes()


def test_where_speech_counts_a_faint_voice_does_not_and_the_officers_does(shifts: tuple[Shift, Shift]) -> None:
    shift = shifts[1]
    gap = shift.gaps()[1]
    assert shift.explained_by_bystander is False
    (explanation,) = shift.explanations(gap)
    assert (explanation["confirmed"], explanation["counts"], explanation["mark_id"]) == ("speech", True, None)
    assert inside(spans_of(explanation), shift.sounds["officer"])
    assert (gap.explained, gap.confirmed) == (True, "speech"), "and the report says that nobody confirmed it"


def test_a_voice_note_in_the_answer_time_is_a_note_and_no_answer(shifts: tuple[Shift, Shift]) -> None:
    """The same words, as near and as long, in the session where detected speech would count."""
    shift = shifts[1]
    (note,) = shift.rig.of("note")
    assert note["ended"] == "press" and inside(spans_of(note), shift.sounds["note"])
    assert total(spans_of(note)) >= 5 * SECOND
    assert shift.explanations(shift.gaps()[0]) == []
    assert shift.rig.of("mark") == [], "its presses are no marks"


def test_the_verifier_finds_nothing_wrong_with_what_was_said(shifts: tuple[Shift, Shift]) -> None:
    for shift in shifts:
        wrong = {code for code in shift.codes() if code.startswith(("speech-", "explanation-", "note-", "prompt"))}
        assert wrong == set()
        assert len(shift.gaps()) == 2
