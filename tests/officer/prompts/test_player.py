"""The player: samples to the loudspeaker, one at a time, each reported with its beginning and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from firmware_bridge.ports import DeviceError, Sound
from recorder.config.paths import shipped_dir
from recorder.officer.indicators import tones
from recorder.officer.prompts import joining
from recorder.officer.prompts.player import LATE_US, STILL_PLAYING, Outcome, PromptPlayer, Utterance
from recorder.officer.prompts.voice import RATE, Voice
from tools.render_prompts import load_catalogue

CATALOGUE = load_catalogue()
VOICE = Voice(shipped_dir() / "prompts" / "voices" / "zh")
STEP = 50_000


@dataclass
class TimedSpeaker:
    """Plays in order in real time of ``now_us``."""

    now_us: int = 0
    until_us: int = 0
    heard: list[Sound] = field(default_factory=list)
    broken: DeviceError | None = None
    failing: DeviceError | None = None
    stopped: int = 0

    def play(self, samples: Sound, rate: int) -> None:
        if self.broken is not None:
            raise self.broken
        assert rate == RATE
        self.heard.append(samples)
        self.until_us = max(self.now_us, self.until_us) + len(samples) * 1_000_000 // rate

    def playing(self) -> bool:
        return self.now_us < self.until_us

    def stop(self) -> None:
        self.stopped += 1
        self.until_us = 0

    def failure(self) -> DeviceError | None:
        return self.failing


class Stage:
    """Player, loudspeaker and what was reported."""

    def __init__(self, *, stealth: bool = False, speaker: bool = True, voice: Voice = VOICE) -> None:
        self.speaker = TimedSpeaker()
        self.begun: list[tuple[str, int, int]] = []
        self.over: list[tuple[str, int, int, Outcome, str]] = []
        self.texts: list[str] = []
        self.vibrations: list[tuple[int, ...]] = []
        self.player = PromptPlayer(
            CATALOGUE,
            voice,
            "zh",
            self.speaker if speaker else None,
            lambda pattern, now_us: self.vibrations.append(pattern),
            self,
            stealth=stealth,
        )

    def started(self, utterance: Utterance, length_us: int) -> None:
        self.begun.append((utterance.id, utterance.from_us, length_us))

    def ended(self, utterance: Utterance, to_us: int, outcome: Outcome, detail: str) -> None:
        self.over.append((utterance.id, utterance.from_us, to_us, outcome, detail))
        self.texts.append(utterance.text)

    def say(self, prompt_id: str, **values: object) -> None:
        self.player.say(prompt_id, values, self.speaker.now_us)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1_000_000 / STEP)):
            self.player.step(self.speaker.now_us)
            self.speaker.now_us += STEP

    def outcomes(self) -> list[tuple[str, Outcome]]:
        return [(name, outcome) for name, _, _, outcome, _ in self.over]


@pytest.fixture
def stage() -> Iterator[Stage]:
    yield Stage()


def test_a_prompt_is_heard_and_reported_with_its_beginning_and_end(stage: Stage) -> None:
    stage.speaker.now_us = 7_000_000
    stage.say("started")
    stage.run(3)
    expected = VOICE.speak(joining.pieces(CATALOGUE, "started", {}, "zh"))
    assert [np.array_equal(samples, expected) for samples in stage.speaker.heard] == [True]
    length = len(expected) * 1_000_000 // RATE
    assert stage.begun == [("started", 7_000_000, length)]
    ((name, begin, end, outcome, why),) = stage.over
    assert (name, begin, outcome, why) == ("started", 7_000_000, "spoken", "")
    assert length <= end - begin <= length + STEP
    assert stage.texts == ["开始记录。"]


def test_one_after_the_other_never_two_at_once(stage: Stage) -> None:
    for point in ("scene", "objects", "persons"):
        stage.say("checklist-missing", point=point)
    stage.say("stopped")
    stage.run(30)
    assert [name for name, *_ in stage.over] == ["stopped", *["checklist-missing"] * 3]
    ends = [end for _, _, end, _, _ in stage.over]
    begins = [begin for _, begin, _, _, _ in stage.over]
    assert all(begin >= end for end, begin in zip(ends, begins[1:], strict=False))


def test_tone_first_then_speech_and_the_motor(stage: Stage) -> None:
    stage.say("store-overdue")
    stage.run(8)
    prompt = CATALOGUE.prompts["store-overdue"]
    beep = tones(prompt.tone)
    assert len(beep) and np.array_equal(stage.speaker.heard[0][: len(beep)], beep)
    assert stage.vibrations == [prompt.vibration]


def test_an_urgent_prompt_cuts_in(stage: Stage) -> None:
    stage.say("returned")
    stage.run(1)
    stage.say("resumed-length-unknown")
    stage.run(9)
    assert stage.outcomes() == [("returned", "cut"), ("resumed-length-unknown", "spoken")]
    assert stage.over[0][2] - stage.over[0][1] == pytest.approx(1_000_000, abs=2 * STEP)
    assert stage.over[0][4] == "urgent"
    assert stage.speaker.stopped == 1


@pytest.mark.parametrize("said", ["interrupted", "cannot-resume"])
def test_the_question_after_an_interruption_waits_for_no_announcement_of_it(stage: Stage, said: str) -> None:
    """Art. 23, asked within three seconds of the first new frame, whatever is being said."""
    stage.say(said, **({"cause": "device-fault"} if said == "interrupted" else {}))
    stage.run(1)
    stage.say("resumed", begin=50_709, end=50_832, lasted=123)
    stage.run(0.5)
    assert stage.outcomes() == [(said, "cut")]
    assert stage.player.speaking is not None and stage.player.speaking.id == "resumed"


def test_what_is_withdrawn_ends_within_a_word_and_what_waits_is_dropped(stage: Stage) -> None:
    stage.say("self-test-failed", part="camera")
    stage.say("self-test-failed", part="clock")
    stage.run(0.1)
    stage.player.withdraw({"self-test-failed"}, stage.speaker.now_us)
    assert (stage.speaker.stopped, stage.player.speaking) == (1, None)
    stage.say("started")
    stage.run(5)
    assert stage.outcomes() == [("self-test-failed", "dropped"), ("self-test-failed", "cut"), ("started", "spoken")]
    assert [detail for *_, detail in stage.over] == ["recording", "recording", ""]


def test_a_prompt_that_waited_too_long_is_dropped_and_reported(stage: Stage) -> None:
    stage.say("resumed-length-unknown")
    stage.run(0.2)
    stage.say("marked")  # five seconds, and the sentence before it takes longer
    stage.run(12)
    assert stage.outcomes() == [("marked", "dropped"), ("resumed-length-unknown", "spoken")]
    assert stage.over[0][4] == "stale"


def test_stealth_silences_but_reports_and_vibrates() -> None:
    stage = Stage(stealth=True)
    stage.say("resumed", begin=50_709, end=50_832, lasted=123)
    stage.run(1)
    assert stage.speaker.heard == []
    assert stage.outcomes() == [("resumed", "silenced")]
    assert "14时05分09秒" in stage.texts[0]
    assert stage.vibrations == [CATALOGUE.prompts["resumed"].vibration]


def test_stealth_takes_effect_in_the_middle_of_a_sentence_and_ends_again(stage: Stage) -> None:
    stage.say("returned")
    stage.run(1)
    stage.player.set_stealth(True, stage.speaker.now_us)
    assert not stage.speaker.playing()
    stage.say("marked")
    stage.run(1)
    stage.player.set_stealth(False, stage.speaker.now_us)
    stage.say("stopped")
    stage.run(3)
    assert stage.outcomes() == [("returned", "cut"), ("marked", "silenced"), ("stopped", "spoken")]


def test_a_unit_without_loudspeaker_reports_all_the_same() -> None:
    stage = Stage(speaker=False)
    stage.say("started")
    stage.run(0.1)
    assert stage.over == [("started", 0, 0, "silenced", "no-speaker")]


def test_a_loudspeaker_that_refuses_is_a_failure_with_its_reason_and_the_next_prompt_is_tried(stage: Stage) -> None:
    stage.speaker.broken = DeviceError("speaker", "unplugged", 19)
    stage.say("started")
    stage.run(0.2)
    assert stage.outcomes() == [("started", "failed")]
    assert "unplugged" in stage.over[0][4]
    stage.speaker.broken = None
    stage.say("stopped")
    stage.run(3)
    assert stage.outcomes()[1:] == [("stopped", "spoken")]


def test_a_guarded_loudspeakers_failure_counts_too(stage: Stage) -> None:
    stage.speaker.failing = DeviceError("speaker", "unplugged")
    stage.say("started")
    stage.run(0.2)
    assert stage.outcomes() == [("started", "failed")]


def test_a_prompt_that_breaks_off_was_not_spoken(stage: Stage) -> None:
    stage.say("returned")
    stage.run(1)
    stage.speaker.until_us = 0  # the device lost what it had
    stage.run(0.2)
    assert stage.outcomes() == [("returned", "failed")]


def test_a_loudspeaker_that_never_says_it_is_done_has_failed_and_does_not_hold_the_others_up(stage: Stage) -> None:
    stage.say("started")
    stage.run(0.1)
    stage.speaker.until_us = 10**12
    stage.say("stopped")
    stage.run(2 + LATE_US / 1e6)
    assert stage.outcomes()[0] == ("started", "failed")
    assert stage.over[0][4] == STILL_PLAYING
    assert stage.speaker.stopped == 1, "nothing of it is heard after its reported end"
    assert stage.begun[1][0] == "stopped"


def test_a_loudspeaker_given_up_after_the_prompt_should_have_ended_did_not_speak_it(stage: Stage) -> None:
    stage.say("started")
    stage.run(0.1)
    end_us = stage.speaker.until_us
    stage.speaker.until_us = end_us + LATE_US // 2
    stage.run((end_us - stage.speaker.now_us) / 1e6 + 0.2)
    assert stage.over == []
    stage.speaker.until_us, stage.speaker.failing = 0, DeviceError("speaker", "the driver hangs")
    stage.run(0.2)
    assert stage.outcomes() == [("started", "failed")]
    assert "hangs" in stage.over[0][4]


def test_a_voice_that_is_not_there_is_a_failure(tmp_path_factory: pytest.TempPathFactory) -> None:
    stage = Stage(voice=Voice(tmp_path_factory.mktemp("empty")))
    stage.say("started")
    stage.run(0.1)
    assert stage.outcomes() == [("started", "failed")]
    assert "manifest.json" in stage.over[0][4]


def test_at_the_end_what_sounds_is_cut_and_what_waits_is_dropped(stage: Stage) -> None:
    stage.say("returned")
    stage.say("marked")
    stage.run(0.5)
    stage.player.close(stage.speaker.now_us)
    assert stage.outcomes() == [("returned", "cut"), ("marked", "dropped")]
    assert not stage.speaker.playing()


def test_memory_of_spoken_pieces_is_given_back(stage: Stage) -> None:
    """The whole voice is six megabytes; a player that kept it would be found here."""
    import tracemalloc

    def say_all() -> None:
        for point in CATALOGUE.choices["checklist"]:
            stage.say("checklist-missing", point=point)
        stage.run(40)
        stage.speaker.heard.clear()

    say_all()
    tracemalloc.start()
    before = tracemalloc.take_snapshot()
    say_all()
    grown = sum(line.size_diff for line in tracemalloc.take_snapshot().compare_to(before, "filename"))
    tracemalloc.stop()
    assert grown < 200_000
