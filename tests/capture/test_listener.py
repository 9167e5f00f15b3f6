"""Sound is cut to the detector's measure without losing its place in time, whatever the microphone's rate."""

from __future__ import annotations

import numpy as np
import pytest

from firmware_bridge.ports import Samples
from recorder.capture.listener import Listener
from recorder.capture.settings import SpeechDetection
from recorder.capture.speech import Span, SpeechSpans

SETTINGS = SpeechDetection(enabled=True, on_above=0.5, off_below=0.35, hangover_ms=300, min_span_ms=100)
BEGIN_US = 7_000_000


class Loudness:
    """A detector to calculate with: sure when a piece is loud on average, and it counts how often it forgot."""

    size = 512

    def __init__(self) -> None:
        self.forgot = 0
        self.sizes: set[int] = set()

    def probability(self, samples: Samples) -> float:
        self.sizes.add(len(samples))
        return float(np.mean(np.abs(samples.astype(np.float64))) > 1000)

    def forget(self) -> None:
        self.forgot += 1


def tone(rate: int, *parts: tuple[float, float]) -> Samples:
    """``(from, to)`` seconds of a 300 Hz tone in two seconds of silence."""
    t = np.arange(2 * rate) / rate
    on = sum(((t >= begin) & (t < end)).astype(float) for begin, end in parts)
    return (8000 * np.sin(2 * np.pi * 300 * t) * on).astype(np.int16)


def hear(listener: Listener, samples: Samples, rate: int, begin_us: int = BEGIN_US, block: int = 0) -> list[Span]:
    size = block or rate // 50
    found: list[Span] = []
    for first in range(0, len(samples), size):
        part = samples[first : first + size]
        found += listener.block(part, begin_us + (first + len(part)) * 1_000_000 // rate)
    return found


@pytest.mark.parametrize("rate", [16_000, 24_000, 48_000])
def test_spans_are_where_the_sound_is(rate: int) -> None:
    detector = Loudness()
    listener = Listener(rate, detector, SpeechSpans(SETTINGS))
    found = hear(listener, tone(rate, (0.4, 0.8), (1.4, 1.9)), rate) + listener.end()
    ends = [((span.start_us - BEGIN_US) / 1e6, (span.end_us - BEGIN_US) / 1e6) for span in found if span.final]
    assert np.allclose(ends, [(0.4, 0.8), (1.4, 1.9)], atol=0.034)
    assert detector.sizes == {512}
    assert found[-1].level_dbfs == pytest.approx(-15.3, abs=0.7)  # a sine of amplitude 8000


def test_odd_blocks_and_a_drifting_clock_do_not_lose_the_place() -> None:
    """What the timeline says wins over counting: after a minute of 200 ppm, counted samples would be 12 ms off."""
    listener = Listener(16_000, Loudness(), SpeechSpans(SETTINGS))
    for n in range(3000):
        assert listener.block(np.zeros(320, np.int16), BEGIN_US + round((n + 1) * 20_004)) == []
    late_us = BEGIN_US + 3000 * 20_004
    found = hear(listener, tone(16_000, (0.5, 1.0)), 16_000, late_us, block=137) + listener.end()
    assert found[-1].start_us - late_us == pytest.approx(500_000, abs=34_000)


def test_missing_sound_is_a_new_beginning() -> None:
    detector = Loudness()
    listener = Listener(48_000, detector, SpeechSpans(SETTINGS))
    first = hear(listener, tone(48_000, (1.5, 2.0)), 48_000)
    second = hear(listener, tone(48_000, (0.0, 0.5)), 48_000, BEGIN_US + 10_000_000)
    finals = [span for span in first + second if span.final]
    assert detector.forgot == 1
    assert [round((span.start_us - BEGIN_US) / 1e6, 1) for span in finals] == [1.5, 10.0]
    assert finals[0].end_us - BEGIN_US == pytest.approx(2_000_000, abs=34_000)
