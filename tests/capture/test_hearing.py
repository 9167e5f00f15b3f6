"""The listening thread: only while somebody records, never in the way of the sound, and honest about its failures."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from firmware_bridge.ports import Samples
from recorder.capture.hearing import Hearing
from recorder.capture.settings import SpeechDetection
from recorder.capture.speech import Span
from recorder.capture.voice_detector import VoiceDetector
from tests.capture.doubles import ManualClock

RATE = 16_000
BLOCK = 512
BLOCK_US = 32_000
SETTINGS = SpeechDetection(enabled=True, on_above=0.5, off_below=0.35, hangover_ms=300, min_span_ms=100)
LOUD: Samples = np.full(BLOCK, 5000, np.int16)
LOUD[::2] = -5000
SILENT: Samples = np.zeros(BLOCK, np.int16)


class Loud:
    size = BLOCK

    def probability(self, samples: Samples) -> float:
        return float(np.abs(samples).max() > 1000)

    def forget(self) -> None:
        pass


class Broken(Loud):
    def probability(self, samples: Samples) -> float:
        raise RuntimeError("the model is not what it was")


class Slow(Loud):
    def __init__(self) -> None:
        self.working = threading.Event()
        self.go_on = threading.Event()

    def probability(self, samples: Samples) -> float:
        self.working.set()
        assert self.go_on.wait(20)
        return super().probability(samples)


@dataclass
class Ear:
    """A hearing thread on a clock that stands still, and what it said."""

    make: Callable[[], VoiceDetector]
    recording: bool = True
    clock: ManualClock = field(default_factory=lambda: ManualClock(1_000_000))
    spans: list[Span] = field(default_factory=list)
    faults: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    said: threading.Condition = field(default_factory=threading.Condition)
    end_us: int = 1_000_000

    def __post_init__(self) -> None:
        self.hearing = Hearing(RATE, SETTINGS, self.make, self.clock, lambda: self.recording, self._report, self._fault)
        self.hearing.start()

    def _report(self, span: Span) -> None:
        with self.said:
            self.spans.append(span)
            self.said.notify_all()

    def _fault(self, *what: Any) -> None:
        with self.said:
            self.faults.append(what)
            self.said.notify_all()

    def hear(self, samples: Samples, count: int) -> None:
        for _ in range(count):
            self.end_us += BLOCK_US
            self.hearing.block(samples, self.end_us)

    def wait(self, what: Callable[[], bool]) -> None:
        with self.said:
            assert self.said.wait_for(what, 20)


@pytest.fixture
def ears() -> Iterator[Callable[..., Ear]]:
    made: list[Ear] = []

    def make(*arguments: Any, **more: Any) -> Ear:
        made.append(Ear(*arguments, **more))
        return made[-1]

    yield make
    for ear in made:
        assert ear.hearing.stop(20)


def test_a_voice_is_reported_while_it_speaks_and_when_it_is_over(ears: Callable[..., Ear]) -> None:
    ear = ears(Loud)
    ear.hear(LOUD, 20)
    ear.wait(lambda: bool(ear.spans))
    assert not ear.spans[0].final
    ear.hear(SILENT, 20)
    ear.wait(lambda: ear.spans[-1].final)
    assert (ear.spans[-1].start_us, ear.spans[-1].end_us) == (1_000_000, 1_000_000 + 20 * BLOCK_US)
    assert ear.faults == []


def test_nobody_is_listened_to_outside_a_recording(ears: Callable[..., Ear]) -> None:
    made = threading.Event()

    def make() -> VoiceDetector:
        made.set()
        return Loud()

    ear = ears(make, recording=False)
    ear.hear(LOUD, 50)
    assert ear.hearing.stop(20)
    assert not made.is_set() and ear.spans == []


def test_the_end_of_the_recording_ends_the_span(ears: Callable[..., Ear]) -> None:
    ear = ears(Loud)
    ear.hear(LOUD, 20)
    ear.wait(lambda: bool(ear.spans))
    ear.recording = False
    ear.wait(lambda: ear.spans[-1].final)


def test_the_end_of_the_worker_ends_the_span(ears: Callable[..., Ear]) -> None:
    ear = ears(Loud)
    ear.hear(LOUD, 20)
    ear.wait(lambda: bool(ear.spans))
    assert ear.hearing.stop(20)
    assert ear.spans[-1].final


def test_a_microphone_that_ends_ends_the_span(ears: Callable[..., Ear]) -> None:
    ear = ears(Loud)
    ear.hear(LOUD, 20)
    ear.wait(lambda: bool(ear.spans))
    ear.clock.now_us = ear.end_us + 400_000
    ear.wait(lambda: ear.spans[-1].final)


def test_a_detector_that_fails_is_a_fault_until_it_works_again(ears: Callable[..., Ear]) -> None:
    detectors: list[VoiceDetector] = [Loud(), Broken()]
    ear = ears(lambda: detectors.pop())
    ear.hear(LOUD, 3)
    ear.wait(lambda: bool(ear.faults))
    assert ear.faults[0][:2] == ("vad-fault", "onset") and "RuntimeError" in ear.faults[0][2]["error"]
    ear.hear(LOUD, 20)
    ear.clock.now_us += 11_000_000
    ear.hear(LOUD, 20)
    ear.wait(lambda: len(ear.faults) == 2)
    assert ear.faults[1][:2] == ("vad-fault", "end")
    ear.wait(lambda: bool(ear.spans))


def test_a_detector_that_is_not_there_is_a_fault(ears: Callable[..., Ear]) -> None:
    def make() -> VoiceDetector:
        raise ImportError("no such library")

    ear = ears(make)
    ear.hear(LOUD, 3)
    ear.wait(lambda: bool(ear.faults))
    ear.hear(LOUD, 30)
    assert ear.hearing.stop(20)
    assert [fault[:2] for fault in ear.faults] == [("vad-fault", "onset")]


def test_a_detector_that_is_too_slow_loses_the_oldest_sound_and_says_so(ears: Callable[..., Ear]) -> None:
    slow = Slow()
    ear = ears(lambda: slow)
    ear.hear(SILENT, 1)
    assert slow.working.wait(20)
    ear.hear(SILENT, 200)  # 6.4 s; five of them are kept
    slow.go_on.set()
    ear.wait(lambda: len(ear.faults) == 1)
    code, phase, evidence = ear.faults[0]
    assert (code, phase) == ("vad-fault", "onset") and 40 <= evidence["blocks_left_out"] <= 50
    ear.hear(SILENT, 1)
    ear.wait(lambda: len(ear.faults) == 2)
    assert ear.faults[1][:2] == ("vad-fault", "end")
