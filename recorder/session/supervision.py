"""When a capture worker is started, and when it is killed. Pure.

picamera2 can block for ever or lose its event loop in silence; only the end of the process cures that. So the worker is
judged by what it delivers: frames, and while recording durable entries. It is restarted for ever, ever more slowly.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from recorder.channel.messages import Progress
from recorder.config.models import Supervision
from recorder.evidence.records import InterruptionCause

ENTRY_MARGIN_US = 1_000_000
"""An entry comes at least each second (design §5), so writing may lag frames by that much before it counts as stuck."""

KILL_AGAIN_US = 2_000_000
"""A process in an uninterruptible system call outlives its SIGKILL: it is sent again, so that the log shows it."""

HEALTHY_US = 30_000_000
"""A worker that ran so long was no failed start: the next is started at once again."""

FIRST_FRAME_SHARE = 1.5
"""A camera that has worked before gets so many progress times for its first frame at the first restart, twice that at the
second, and so on up to the start time: a driver that hangs again costs seconds of a recording, not ten, and one that is
really slow still gets all its time."""

CONNECT_DOUBLINGS = 3
CONNECT_MOST_US = 60_000_000
"""A worker connects after it has loaded picamera2, libcamera, PyAV and numpy, which from a cold card on a small or busy
board may take longer than any constant: each vain start doubles the time the next one gets (``connect_timeout_s``), up to
eightfold and so long at most (``TimeoutStartSec=`` of ``recorder-capture@.service`` is longer). Else such a board would
never record."""

WARM_STARTS = 5
"""Of a camera that has worked, so many vain starts in a row get no longer to connect than to deliver
(``start_timeout_s``). What it loads was loaded already, so it hangs; and the officer hears within a minute that recording
cannot go on (``failed_restarts``)."""

BLIND_US = 500_000
"""A longer pause between two ticks is the judge's own: reports were waiting unread, so it is not held against the
worker."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the worker now."""


@dataclass(frozen=True, slots=True)
class KillWorker:
    """SIGKILL the worker."""

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
    """Microseconds; see ``[supervision]``."""

    progress_timeout_us: int
    late_start_us: int
    connect_timeout_us: int
    start_timeout_us: int
    backoff_us: int
    backoff_max_us: int

    @classmethod
    def of(cls, settings: Supervision) -> Limits:
        return cls(
            progress_timeout_us=round(settings.progress_timeout_s * 1e6),
            late_start_us=round(settings.late_start_s * 1e6),
            connect_timeout_us=round(settings.connect_timeout_s * 1e6),
            start_timeout_us=round(settings.start_timeout_s * 1e6),
            backoff_us=round(settings.restart_backoff_s * 1e6),
            backoff_max_us=round(settings.restart_backoff_max_s * 1e6),
        )


class WorkerSupervisor:
    """One per camera. Call ``tick`` at least each 0.2 s, after the worker's waiting reports, and carry out what it
    returns. ``cause`` and ``detail`` say why the present or last worker ended."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.phase = Phase.WAITING
        self.restarts = -1
        self.cause: InterruptionCause = "worker-crash"
        self.detail = ""
        self._failures = 0
        self._launch_at_us: int | None = None
        self._launched_us = 0
        self._since_us = 0
        self._connected = False
        self._ever_ready = False
        self._vain_starts = 0
        self._frames = 0
        self._frames_us = 0
        self._entries = 0
        self._entries_us = 0
        self._recording = False
        self._tick_us: int | None = None

    def reconfigure(self, limits: Limits) -> None:
        self._limits = limits

    @property
    def is_waiting(self) -> bool:
        """No worker exists; one will be started."""
        return self.phase is Phase.WAITING

    def is_late(self, now_us: int) -> bool:
        """The worker takes longer to load and connect than is usual (``late_start_s``). A fact, no reason to end it."""
        waits = self.phase is Phase.STARTING and not self._connected
        return waits and now_us - self._since_us > self._limits.late_start_us

    @property
    def launched_us(self) -> int:
        """When the present or last worker was started."""
        return self._launched_us

    @property
    def next_launch_us(self) -> int | None:
        return self._launch_at_us if self.phase is Phase.WAITING else None

    def tick(self, now_us: int) -> Order | None:
        """What is to be done now, if anything."""
        blind = 0 if self._tick_us is None else now_us - self._tick_us - BLIND_US
        self._tick_us = now_us
        if blind > 0:
            self._since_us += blind
            self._frames_us += blind
            self._entries_us += blind
        match self.phase:
            case Phase.WAITING:
                return self._launch_when_due(now_us)
            case Phase.KILLED:
                if now_us - self._since_us < KILL_AGAIN_US:
                    return None
                self._since_us = now_us
                return KillWorker(self.cause, self.detail)
            case Phase.STARTING:
                return self._judge_start(now_us)
            case Phase.RUNNING:
                return self._judge_progress(now_us)

    def hello(self, now_us: int) -> None:
        """The worker is connected; its first frame is awaited longer than later ones."""
        if self.phase is Phase.STARTING:
            self._connected, self._since_us = True, now_us

    def progress(self, message: Progress, now_us: int) -> bool:
        """Take a progress report; True when the worker just became ready (its first frames arrived)."""
        if self.phase not in (Phase.STARTING, Phase.RUNNING):
            return False
        became_ready = self.phase is Phase.STARTING and message.frames > 0
        if became_ready:
            self.phase, self._ever_ready, self._vain_starts = Phase.RUNNING, True, 0
        if became_ready or message.frames > self._frames:
            self._frames = message.frames
            # From the frame itself: by the report's arrival a stall would be noticed half a second later.
            sane = max(0, now_us - self._limits.progress_timeout_us) < message.last_frame_us <= now_us
            self._frames_us = message.last_frame_us if sane else now_us
        if message.camera_absent:
            # Nobody is late with frames of a camera that is not there; the time starts again when it is.
            self._since_us = self._frames_us = now_us
        begins = message.recording and not self._recording
        if began_or_grew := begins or message.entries > self._entries:
            self._entries = message.entries
        if began_or_grew or not message.recording or message.camera_absent:
            self._entries_us = now_us
        self._recording = message.recording
        if now_us - self._launched_us > HEALTHY_US:
            self._failures = 0
        return became_ready

    def condemn(self, cause: InterruptionCause, detail: str) -> None:
        """Somebody else has a reason to kill the worker and does so."""
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            self.phase, self.cause, self.detail = Phase.KILLED, cause, detail
            self._since_us = self._tick_us or 0

    def note_exit(self, detail: str) -> None:
        """The process ended; its last reports may still be on their way. A reason to kill it stays the cause."""
        if self.phase in (Phase.STARTING, Phase.RUNNING):
            self.phase, self.cause, self.detail = Phase.KILLED, "worker-crash", detail
            self._since_us = self._tick_us or 0

    def exited(self, now_us: int) -> None:
        """Process and connection are gone: the next worker starts at once, and after a pause when it is not the first to
        be replaced in a row."""
        pause = 0
        if self._failures:
            pause = min(self._limits.backoff_us << min(self._failures - 1, 20), self._limits.backoff_max_us)
        self._failures += 1
        self._launch_at_us = now_us + pause
        self.phase = Phase.WAITING

    def _launch_when_due(self, now_us: int) -> Order | None:
        if self._launch_at_us is not None and now_us < self._launch_at_us:
            return None
        self.phase = Phase.STARTING
        self.restarts += 1
        self._vain_starts += 1
        self.cause, self.detail = "worker-crash", ""
        self._launched_us = self._since_us = now_us
        self._connected = self._recording = False
        self._frames = self._entries = 0
        return Launch()

    def _judge_start(self, now_us: int) -> Order | None:
        limit = self._limits.start_timeout_us
        if not self._connected:
            limit = self._time_to_connect_us()
        elif self._ever_ready:
            quick = round(self._limits.progress_timeout_us * FIRST_FRAME_SHARE) << min(self._vain_starts - 1, 10)
            limit = min(limit, quick)
        if now_us - self._since_us <= limit:
            return None
        if self._connected:
            return self._kill("camera-stall", "no first frame in time", now_us)
        return self._kill("worker-late", "did not connect in time", now_us)

    def _time_to_connect_us(self) -> int:
        limit = self._limits.connect_timeout_us
        vain = self._vain_starts - 1
        if self._ever_ready:
            limit, vain = min(limit, self._limits.start_timeout_us), self._vain_starts - WARM_STARTS
        return min(limit << min(max(0, vain), CONNECT_DOUBLINGS), CONNECT_MOST_US)

    def _judge_progress(self, now_us: int) -> Order | None:
        limit = self._limits.progress_timeout_us
        if now_us - self._frames_us > limit:
            return self._kill("camera-stall", f"no frame for {(now_us - self._frames_us) / 1e6:.1f} s", now_us)
        if self._recording and now_us - self._entries_us > limit + ENTRY_MARGIN_US:
            return self._kill("storage-fault", f"nothing durable for {(now_us - self._entries_us) / 1e6:.1f} s", now_us)
        return None

    def _kill(self, cause: InterruptionCause, detail: str, now_us: int) -> Order:
        self.phase, self.cause, self.detail = Phase.KILLED, cause, detail
        self._since_us = now_us
        return KillWorker(cause, detail)
