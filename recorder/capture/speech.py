"""From a voice-activity detector's probabilities to spans of speech: hysteresis, hangover, shortest span. Pure.

A span begins with the first frame whose probability reaches ``on_above`` and holds as long as it stays above
``off_below``; a pause shorter than ``hangover_ms`` belongs to it. It ends with its last voiced frame, not with the pause
after which that is known. One whose voice adds up to less than ``min_span_ms`` (a knock, a cough) never existed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from recorder.capture.loudness import dbfs
from recorder.capture.settings import SpeechDetection

REPORT_US: Final = 500_000
"""While a span goes on it is reported this often: whoever waits for three seconds of speech does so while they pass."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the detector says of a piece of sound. ``power``: mean square, 1.0 at full scale. Times: boot-time, us."""

    start_us: int
    end_us: int
    probability: float
    power: float


@dataclass(frozen=True, slots=True)
class Span:
    """``level_dbfs``: RMS of the voiced frames so far. See :class:`recorder.channel.messages.Speech`."""

    start_us: int
    end_us: int
    final: bool
    level_dbfs: float


@dataclass(slots=True)
class _Voice:
    """The span that is going on."""

    start_us: int
    end_us: int
    voiced_us: int = 0
    energy: float = 0.0
    reported_us: int | None = None

    def add(self, frame: Frame) -> None:
        duration_us = frame.end_us - frame.start_us
        self.end_us = max(self.end_us, frame.end_us)
        self.voiced_us += duration_us
        self.energy += frame.power * duration_us

    def report(self, final: bool) -> Span:
        self.reported_us = self.end_us
        return Span(self.start_us, self.end_us, final, dbfs(self.energy / self.voiced_us))


class SpeechSpans:
    """Frames in the order of time in, reports of spans out."""

    def __init__(self, settings: SpeechDetection) -> None:
        self._on = settings.on_above
        self._off = settings.off_below
        self._hangover_us = settings.hangover_ms * 1000
        self._shortest_us = settings.min_span_ms * 1000
        self._voiced = False
        self._voice: _Voice | None = None
        self._last_end_us = -1

    def frame(self, frame: Frame) -> list[Span]:
        """Reports that became due with this frame, at most one of them not final."""
        reports = self.quiet_until(frame.start_us)
        self._voiced = frame.probability >= (self._off if self._voiced else self._on)
        if not self._voiced:
            return reports + self.quiet_until(frame.end_us)
        if self._voice is None:
            self._voice = _Voice(max(frame.start_us, self._last_end_us + 1), frame.end_us)
        self._voice.add(frame)
        return reports + self._due(self._voice)

    def quiet_until(self, now_us: int) -> list[Span]:
        """Nothing voiced was heard up to ``now_us``; also for the case that nothing was heard at all."""
        if self._voice is None or now_us - self._voice.end_us < self._hangover_us:
            return []
        return self.end()

    def end(self) -> list[Span]:
        """Nobody listens from here on: what goes on is over."""
        voice, self._voice, self._voiced = self._voice, None, False
        if voice is None or voice.voiced_us < self._shortest_us or voice.end_us <= voice.start_us:
            return []
        self._last_end_us = voice.end_us
        return [voice.report(True)]

    def _due(self, voice: _Voice) -> list[Span]:
        if voice.voiced_us < self._shortest_us or voice.end_us <= voice.start_us:
            return []
        if voice.reported_us is not None and voice.end_us - voice.reported_us < REPORT_US:
            return []
        return [voice.report(False)]
