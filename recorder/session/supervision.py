"""When a capture worker is started, and when it is killed. Pure.

picamera2 can block for ever or lose its event loop in silence; only the end of the process cures that. So the worker is
judged by what it delivers: frames, and while recording durable entries. It is restarted for ever, ever more slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from recorder.channel.messages import Progress
from recorder.evidence.records import InterruptionCause

ENTRY_MARGIN_US = 1_000_000
"""An entry comes at least each second (design §5), so writing may lag frames by that much before it counts as stuck."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the worker now."""


@dataclass(frozen=True, slots=True)
class KillWorker:
    """SIGKILL the worker: it made no progress."""

    cause: InterruptionCause
    detail: str


Order: TypeAlias = Launch | KillWorker


class Phase(Enum):
    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Limits:
    progress_timeout_us: int
    start_timeout_us: int
    backoff_us: int
    backoff_max_us: int


class WorkerSupervisor:
    """One per camera. Call ``tick`` at least each 0.2 s and carry out what it returns."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.phase = Phase.WAITING
        self.restarts = -1
        self._failures = 0
        self._launch_at_us: int | None = None
        self._since_us = 0
        self._frames = -1
        self._frames_us = 0
        self._entries = -1
        self._entries_us = 0
        self._recording = False
        self.cause: InterruptionCause = "worker-crash"
        self.detail = ""

    def tick(self, now_us: int) -> Order | None:
        """What is to be done now, if anything."""
        if self.phase is Phase.WAITING:
            if self._launch_at_us is None or now_us >= self._launch_at_us:
                self.phase = Phase.STARTING
                self.restarts += 1
                self._since_us = now_us
                self.cause, self.detail = "worker-crash", ""
                return Launch()
            return None
        limit = self._limits.progress_timeout_us
        if self.phase is Phase.STARTING and now_us - self._since_us > self._limits.start_timeout_us:
            return self._kill("worker-crash", "did not start in time")
        if self.phase is Phase.RUNNING:
            if now_us - self._frames_us > limit:
                return self._kill("camera-stall", f"no frame for {(now_us - self._frames_us) / 1e6:.1f} s")
            if self._recording and now_us - self._entries_us > limit + ENTRY_MARGIN_US:
                return self._kill("storage-fault", f"nothing durable for {(now_us - self._entries_us) / 1e6:.1f} s")
        return None

    def hello(self, now_us: int) -> None:
        """The worker is connected; its first frame is awaited for the start time, not for the progress time."""
        if self.phase is Phase.STARTING:
            self._since_us = now_us

    def progress(self, message: Progress, now_us: int) -> bool:
        """Take a progress report; True when the worker just became ready (its first frames arrived)."""
        if self.phase not in (Phase.STARTING, Phase.RUNNING):
            return False
        became_ready = self.phase is Phase.STARTING and message.frames > 0
        if became_ready:
            self.phase = Phase.RUNNING
            self._frames, self._entries = -1, -1
        if message.frames != self._frames:
            self._frames, self._frames_us = message.frames, now_us
        if message.entries != self._entries or not message.recording or not self._recording:
            self._entries, self._entries_us = message.entries, now_us
        self._recording = message.recording
        if now_us - self._since_us > 30_000_000:
            self._failures = 0
        return became_ready

    def exited(self, now_us: int, detail: str) -> None:
        """The process is gone, killed by us or by itself."""
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            self.detail = detail
        pause = min(self._limits.backoff_us << min(self._failures, 20), self._limits.backoff_max_us)
        self._failures += 1
        self._launch_at_us = now_us + pause
        self.phase = Phase.WAITING
        self._recording = False

    def _kill(self, cause: InterruptionCause, detail: str) -> Order:
        self.phase = Phase.KILLED
        self.cause, self.detail = cause, detail
        return KillWorker(cause, detail)
