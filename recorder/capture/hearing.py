"""The thread that listens for speech while something is recorded. The audio thread only enqueues and never waits for it.

Outside a recording nobody's voice is looked for: no use for it, and the law gives no reason for it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from firmware_bridge.ports import Clock, Samples
from recorder.capture.listener import Listener
from recorder.capture.microphone_watch import FaultSink
from recorder.capture.settings import SpeechDetection
from recorder.capture.speech import Span, SpeechSpans
from recorder.capture.voice_detector import VoiceDetector

LOG = logging.getLogger(__name__)

_QUEUE_US: Final = 5_000_000
"""Sound that may wait for the detector; beyond it the oldest is left out, and that is a fault."""

_BATCH: Final = 5
"""Blocks that are worth waking up for: a thread that runs fifty times a second costs more than what it does."""

_RETRY_US: Final = 10_000_000
_LOOK_S: Final = 0.2


class Hearing:
    """``make`` makes the detector (any exception: ``vad-fault``, tried again later); ``recording`` says whether anybody
    records; ``report`` and ``fault`` only enqueue. ``rate``: of the microphone, samples/s."""

    def __init__(
        self,
        rate: int,
        settings: SpeechDetection,
        make: Callable[[], VoiceDetector],
        clock: Clock,
        recording: Callable[[], bool],
        report: Callable[[Span], None],
        fault: FaultSink,
    ) -> None:
        self._rate = rate
        self._make = make
        self._spans = SpeechSpans(settings)
        self._clock = clock
        self._recording = recording
        self._report = report
        self._fault = fault
        self._listener: Listener | None = None
        self._retry_us = 0
        self._faulty = False
        self._changed = threading.Condition()
        self._queue: deque[tuple[Samples, int]] = deque()
        self._left_out = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="hearing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Ends what is being said with a last report. True when the thread ended."""
        with self._changed:
            self._stop = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def block(self, samples: Samples, end_us: int) -> None:
        """Enqueue a block whose last sample was heard at ``end_us``. Never blocks, never raises."""
        with self._changed:
            self._queue.append((samples, end_us))
            while end_us - self._queue[0][1] > _QUEUE_US:
                self._queue.popleft()
                self._left_out += 1
            if len(self._queue) >= _BATCH:
                self._changed.notify_all()

    def _run(self) -> None:
        while (work := self._next()) is not None:
            blocks, left_out = work
            try:
                self._listen(blocks, left_out)
            except Exception as error:  # foreign code with a model in it: whatever it does, sound and picture go on
                LOG.exception("voice-activity detector failed 语音检测出错")
                self._listener = None
                self._retry_us = self._clock.boottime_us() + _RETRY_US
                self._failed({"error": f"{type(error).__name__}: {error}"})
        self._tell(self._spans.end())

    def _next(self) -> tuple[list[tuple[Samples, int]], int] | None:
        """The blocks that wait and the number left out before them; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop or len(self._queue) >= _BATCH, _LOOK_S)
            if self._stop:
                return None
            blocks, left_out = list(self._queue), self._left_out
            self._queue.clear()
            self._left_out = 0
            return blocks, left_out

    def _listen(self, blocks: list[tuple[Samples, int]], left_out: int) -> None:
        if not self._recording():
            self._tell(self._listener.end() if self._listener else self._spans.end())
            return
        now_us = self._clock.boottime_us()
        if self._listener is None:
            if now_us < self._retry_us:
                self._tell(self._spans.quiet_until(now_us))
                return
            self._listener = Listener(self._rate, self._make(), self._spans)
        if left_out:
            self._failed({"error": "detector too slow 语音检测过慢", "blocks_left_out": left_out})
        for samples, end_us in blocks:
            self._tell(self._listener.block(samples, end_us))
        if not blocks:
            self._tell(self._listener.quiet_until(now_us))
        elif not left_out:
            self._works()

    def _tell(self, reports: list[Span]) -> None:
        for report in reports:
            self._report(report)

    def _failed(self, evidence: dict[str, object]) -> None:
        if not self._faulty:
            self._fault("vad-fault", "onset", evidence)
        self._faulty = True

    def _works(self) -> None:
        if self._faulty:
            self._fault("vad-fault", "end", {})
        self._faulty = False
