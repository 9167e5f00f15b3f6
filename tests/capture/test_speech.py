"""Probabilities in, spans out: hysteresis, hangover, shortest span, and reports that let a listener wait live."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from recorder.capture.settings import SpeechDetection
from recorder.capture.speech import REPORT_US, Frame, Span, SpeechSpans

FRAME_US = 32_000
SECOND = 1_000_000
SETTINGS = SpeechDetection(enabled=True, on_above=0.5, off_below=0.35, hangover_ms=600, min_span_ms=300)


def frames(*parts: tuple[float, float], power: float = 0.01) -> list[Frame]:
    """``(seconds, probability)`` one after the other from one second of boot-time on."""
    made: list[Frame] = []
    for seconds, probability in parts:
        for _ in range(round(seconds * SECOND / FRAME_US)):
            start_us = SECOND + len(made) * FRAME_US
            made.append(Frame(start_us, start_us + FRAME_US, probability, power))
    return made


def spans(given_frames: list[Frame], settings: SpeechDetection = SETTINGS) -> list[Span]:
    machine = SpeechSpans(settings)
    return [report for frame in given_frames for report in machine.frame(frame)] + machine.end()


def finals(reports: list[Span]) -> list[tuple[float, float]]:
    return [(report.start_us / SECOND, report.end_us / SECOND) for report in reports if report.final]


def near(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> bool:
    return len(found) == len(expected) and all(
        abs(a - b) <= 2 * FRAME_US / SECOND
        for one, two in zip(found, expected, strict=True)
        for a, b in zip(one, two, strict=True)
    )


def test_two_sentences_are_two_spans() -> None:
    reports = spans(frames((1, 0.0), (2, 0.9), (1, 0.1), (1.5, 0.8), (1, 0.0)))
    assert near(finals(reports), [(2, 4), (5, 6.5)])


def test_a_short_pause_belongs_to_the_span() -> None:
    assert near(finals(spans(frames((1, 0.9), (0.5, 0.0), (1, 0.9), (1, 0.0)))), [(1, 3.5)])


def test_a_voice_that_wavers_between_the_thresholds_goes_on_but_does_not_begin() -> None:
    assert near(finals(spans(frames((1, 0.4), (1, 0.9), (2, 0.4), (1, 0.0)))), [(2, 5)])


def test_a_knock_is_no_speech() -> None:
    assert spans(frames((1, 0.0), (0.2, 0.99), (2, 0.0), (0.2, 0.99), (1, 0.0))) == []


def test_a_long_span_is_reported_while_it_goes_on() -> None:
    reports = spans(frames((10, 0.9), (1, 0.0)))
    assert {report.start_us for report in reports} == {SECOND}
    assert [report.final for report in reports] == [False] * (len(reports) - 1) + [True]
    ends = [report.end_us for report in reports[:-1]]
    assert ends[0] - SECOND < 400_000
    assert all(REPORT_US <= b - a <= REPORT_US + FRAME_US for a, b in itertools.pairwise(ends))


def test_silence_of_the_microphone_ends_a_span() -> None:
    machine = SpeechSpans(SETTINGS)
    for frame in frames((1, 0.9)):
        machine.frame(frame)
    assert machine.quiet_until(2_500_000) == []
    (last,) = machine.quiet_until(2_700_000)
    assert last.final and abs(last.end_us - 2 * SECOND) <= FRAME_US
    assert machine.quiet_until(9_000_000) == [] and machine.end() == []


def test_sound_that_is_missing_is_no_voice() -> None:
    before, after = (
        frames((1, 0.9)),
        [Frame(5 * SECOND + n * FRAME_US, 5 * SECOND + (n + 1) * FRAME_US, 0.9, 0.01) for n in range(31)],
    )
    assert near(finals(spans([*before, *after])), [(1, 2), (5, 6)])


def test_the_level_is_of_the_voice_alone() -> None:
    loud = frames((1, 0.9), power=0.01)
    pause = [Frame(f.start_us + SECOND, f.end_us + SECOND, 0.0, 0.5) for f in frames((0.3, 0.0))]
    assert spans([*loud, *pause])[-1].level_dbfs == -20.0


PROBABILITIES = st.lists(st.tuples(st.floats(0.02, 3), st.floats(0, 1)), max_size=15)


@given(PROBABILITIES, st.integers(100, 2000), st.integers(0, 1000), st.floats(0.1, 0.9), st.floats(0, 1))
def test_spans_hold_what_the_channel_promises(
    parts: list[tuple[float, float]], hangover_ms: int, min_span_ms: int, on: float, share: float
) -> None:
    settings = SpeechDetection(
        enabled=True, on_above=on, off_below=max(0.01, on * share), hangover_ms=hangover_ms, min_span_ms=min_span_ms
    )
    heard = frames(*parts)
    machine = SpeechSpans(settings)
    reports = [(frame.end_us, report) for frame in heard for report in machine.frame(frame)]
    reports += [(heard[-1].end_us if heard else 0, report) for report in machine.end()]

    sure = [frame for frame in heard if frame.probability >= settings.on_above]
    assert not reports or sure
    for _, group in itertools.groupby(reports, key=lambda each: each[1].start_us):
        ofspan = list(group)
        assert [report.final for _, report in ofspan] == [False] * (len(ofspan) - 1) + [True]
        ends = [report.end_us for _, report in ofspan]
        assert ends == sorted(ends)
        first, last = ofspan[0][1].start_us, ends[-1]
        assert last - first >= min_span_ms * 1000
        assert any(frame.start_us == first for frame in sure), "begins with a frame the detector was sure of"
        assert all(report.end_us <= at_us for at_us, report in ofspan), "nothing is reported before it was heard"
    whole = [report for _, report in reports if report.final]
    assert all(b.start_us - a.end_us >= hangover_ms * 1000 for a, b in itertools.pairwise(whole))


@given(PROBABILITIES)
def test_a_sure_voice_of_two_seconds_is_never_missed(parts: list[tuple[float, float]]) -> None:
    heard = frames(*parts, (2, 0.95), (1, 0.0))
    reports = spans(heard)
    assert any(
        report.final
        and report.start_us <= heard[-1].end_us - 2_900_000
        and report.end_us >= heard[-1].end_us - 1_100_000
        for report in reports
    )
