"""Microphone blocks to frames to spans: cuts the sound to the detector's measure and keeps its place in time. No thread."""

from __future__ import annotations

from typing import Final

import av
import numpy as np

from firmware_bridge.ports import Samples
from recorder.capture.loudness import power
from recorder.capture.speech import Frame, Span, SpeechSpans
from recorder.capture.voice_detector import RATE, VoiceDetector

_JUMP_US: Final = 60_000
"""Sound is missing when a block begins so much later, or earlier, than the one before it ended."""


class Listener:
    """``rate`` of the microphone in samples/s. The detector's exceptions pass through; :meth:`restart` then."""

    def __init__(self, rate: int, detector: VoiceDetector, spans: SpeechSpans) -> None:
        self._rate = rate
        self._detector = detector
        self._spans = spans
        self._resampler = _resampler(rate)
        self._waiting = np.zeros(0, np.int16)
        self._end_us: int | None = None

    def block(self, samples: Samples, end_us: int) -> list[Span]:
        """``samples`` at ``rate``, the last of them heard at ``end_us`` of boot-time."""
        start_us = end_us - len(samples) * 1_000_000 // self._rate
        if self._end_us is not None and abs(start_us - self._end_us) > _JUMP_US:
            self.restart()
        self._end_us = end_us
        self._waiting = np.concatenate([self._waiting, self._at_16_khz(samples)])
        reports: list[Span] = []
        size = self._detector.size
        while len(self._waiting) >= size:
            piece_us = end_us - len(self._waiting) * 1_000_000 // RATE
            piece, self._waiting = self._waiting[:size], self._waiting[size:]
            frame = Frame(
                piece_us, piece_us + size * 1_000_000 // RATE, self._detector.probability(piece), power(piece)
            )
            reports += self._spans.frame(frame)
        return reports

    def quiet_until(self, now_us: int) -> list[Span]:
        """No block came."""
        return self._spans.quiet_until(now_us)

    def end(self) -> list[Span]:
        """Nobody needs to know any more."""
        self.restart()
        return self._spans.end()

    def restart(self) -> None:
        """What comes next does not follow what came last."""
        self._waiting = np.zeros(0, np.int16)
        self._resampler = _resampler(self._rate)
        self._end_us = None
        self._detector.forget()

    def _at_16_khz(self, samples: Samples) -> Samples:
        if self._resampler is None:
            return samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[np.newaxis, :]), format="s16", layout="mono")
        frame.sample_rate = self._rate
        parts = [part.to_ndarray().reshape(-1) for part in self._resampler.resample(frame)]
        return np.concatenate(parts).astype(np.int16, copy=False) if parts else np.zeros(0, np.int16)


def _resampler(rate: int) -> av.AudioResampler | None:
    return None if rate == RATE else av.AudioResampler(format="s16", layout="mono", rate=RATE)
