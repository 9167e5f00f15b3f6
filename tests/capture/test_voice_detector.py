"""The real detector through the real state machine: who speaks is found, and what does not speak is not."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from firmware_bridge.ports import Samples
from recorder.capture.listener import Listener
from recorder.capture.settings import SpeechDetection
from recorder.capture.speech import Span, SpeechSpans
from recorder.capture.voice_detector import RATE, SileroDetector
from tests.capture import voices

SETTINGS = SpeechDetection(enabled=True, on_above=0.5, off_below=0.35, hangover_ms=600, min_span_ms=300)
TOLERANCE_S = 0.3
FAR_TOLERANCE_S = 0.5
"""A far voice begins in the hiss: its first consonant is not to be heard."""


def spans(samples: Samples) -> list[Span]:
    """Finished spans of 16 kHz sound that begins at boot-time 0."""
    listener = Listener(RATE, SileroDetector(), SpeechSpans(SETTINGS))
    found: list[Span] = []
    for first in range(0, len(samples), 320):
        block = samples[first : first + 320]
        found += listener.block(block, (first + len(block)) * 1_000_000 // RATE)
    return [span for span in found + listener.end() if span.final]


@pytest.mark.parametrize("clip", ["officer_explains", "officer_says_yes", "bystander_talks"])
@pytest.mark.parametrize("gain_db", [0, -24], ids=["near", "far"])
def test_a_voice_in_a_quiet_room_is_one_span(clip: str, gain_db: float) -> None:
    voice = voices.voice(clip)
    seconds = len(voice) / RATE
    (span,) = spans(voices.mixed((voices.quiet(seconds + 3), 0, 0), (voice, 1, gain_db), seconds=seconds + 3))
    tolerance_s = FAR_TOLERANCE_S if gain_db else TOLERANCE_S
    assert span.start_us / 1e6 == pytest.approx(1, abs=tolerance_s)
    assert span.end_us / 1e6 == pytest.approx(1 + seconds, abs=tolerance_s)
    assert span.level_dbfs == pytest.approx(-22 + gain_db, abs=3)


def test_an_officer_in_traffic_is_heard() -> None:
    """Voice at -20 dBFS, traffic some 5 dB below it."""
    voice = voices.voice("officer_explains")
    seconds = len(voice) / RATE
    found = spans(voices.mixed((voices.street(seconds + 4), 0, 0), (voice, 2, 0), seconds=seconds + 4))
    assert found[0].start_us / 1e6 == pytest.approx(2, abs=TOLERANCE_S)
    assert found[-1].end_us / 1e6 == pytest.approx(2 + seconds, abs=2 * TOLERANCE_S)
    assert sum(span.end_us - span.start_us for span in found) / 1e6 > 0.8 * seconds


def test_a_bystander_is_drowned_by_traffic_and_faint_without_it() -> None:
    """Whose voice it is, no detector knows; but who stands off is never as loud as who wears the microphone."""
    voice = voices.voice("bystander_talks")
    seconds = len(voice) / RATE + 2
    assert spans(voices.mixed((voices.street(seconds), 0, 0), (voice, 1, -24), seconds=seconds)) == []
    (span,) = spans(voices.mixed((voices.quiet(seconds), 0, 0), (voice, 1, -24), seconds=seconds))
    assert span.level_dbfs < -40


NO_VOICE = {
    "digital silence": np.zeros(15 * RATE, np.int16),
    "quiet room": voices.quiet(15),
    "traffic": voices.street(15),
    "loud hiss": voices.hiss(15, -25),
    "wailing siren": voices.siren(15),
    "yelping siren": voices.siren(15, 3.5),
    "horn": voices.horn(15),
    "music": voices.music(15),
}


@pytest.mark.parametrize("name", NO_VOICE)
def test_what_does_not_speak_is_no_speech(name: str) -> None:
    assert spans(NO_VOICE[name]) == []


def test_it_remembers_nothing_of_what_it_shall_forget() -> None:
    """A span must not depend on what the worker heard before the recording."""
    voice = voices.voice("officer_says_yes")[RATE // 4 :]
    fresh, used = SileroDetector(), SileroDetector()
    for first in range(0, 8 * used.size, used.size):
        used.probability(voice[first : first + used.size])
    used.forget()
    piece = voices.quiet(1)[: fresh.size]
    assert used.probability(piece) == fresh.probability(piece)


def test_one_thread_is_enough() -> None:
    """ggml's four threads spin while they wait for one another: ten times the processor time, all of it for nothing."""
    code = """
import os
import numpy as np
threads = len(os.listdir("/proc/self/task"))
from recorder.capture.voice_detector import SileroDetector
detector = SileroDetector()
for _ in range(20):
    detector.probability(np.zeros(detector.size, np.int16))
print(len(os.listdir("/proc/self/task")) - threads)
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == "0"
