"""The writer thread: takes commands, runs one session after the other, and is the only one that touches the disk."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from av.audio.stream import AudioStream
from msgspec import structs

from recorder.capture.packet_log import PacketLog
from recorder.capture.session import Session
from recorder.capture.settings import Capture
from recorder.capture.stream import StreamContext
from recorder.channel.messages import SegmentLength, Start, Stop

LOG = logging.getLogger(__name__)

_STEP_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class CameraFailed:
    """The camera's delivery ended by itself."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """End the session with what is there and then the thread."""

    at_us: int


Command: TypeAlias = Start | Stop | SegmentLength | CameraFailed | Shutdown


class Writer:
    """``failed`` is called once, on the thread, if it ends by a fault of its own; ``incomplete`` with the id of a session
    that ended without a last ``closed`` (the disk refused, or there was no picture): the worker has to end then."""

    def __init__(
        self,
        context: StreamContext,
        log: PacketLog,
        capture: Capture,
        audio: AudioStream | None,
        failed: Callable[[BaseException], None],
        incomplete: Callable[[str], None],
    ) -> None:
        self._context = context
        self._log = log
        self._capture = capture
        self._audio = audio
        self._failed = failed
        self._incomplete = incomplete
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._session: Session | None = None
        self._waiting: Start | None = None
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, command: Command) -> None:
        """Never blocks."""
        self._commands.put(command)
        self._log.wake()

    def join(self, timeout_s: float) -> bool:
        """True when the thread has ended: every file is closed."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not (self._ending and self._session is None):
                self._turn()
        except Exception as error:  # the thread is the worker: its end ends the process, with the reason
            LOG.exception("writer thread failed 写入线程出错")
            self._failed(error)

    def _turn(self) -> None:
        session = self._session
        try:
            while self._waiting is None and not self._ending:  # what comes behind a start waits until it has begun
                self._obey(self._commands.get(block=session is None))
        except queue.Empty:
            pass  # the ordinary case: no command, go on writing
        if session is None and self._waiting is not None:
            start, self._waiting = self._waiting, None
            self._session = session = Session(self._context, self._log, self._capture, start, self._audio)
        if session is not None and not session.step(_STEP_S):
            self._session = None
            if not session.completed:
                self._incomplete(session.session_id)

    def _obey(self, command: Command) -> None:
        match command:
            case Start():
                if self._session is not None and self._session.session_id == command.session_id:
                    LOG.warning("start of the session that is running 重复的开始命令: %s", command.session_id)
                    return
                if self._session is not None:
                    # A new session while the old one runs on after its stop: the old one has had its time.
                    self._session.stop(command.at_us, "stop", post_event=False)
                self._waiting = command
            case Stop():
                if self._session is not None and self._session.session_id == command.session_id:
                    self._session.stop(command.at_us, command.reason)
            case SegmentLength(segment_us=segment_us):
                self._capture = structs.replace(self._capture, segment_s=segment_us / 1e6)
                if self._session is not None:
                    self._session.resize(segment_us)
            case CameraFailed():
                if self._session is not None:
                    self._session.camera_failed()
            case Shutdown():
                self._ending = True
                if self._session is not None:
                    self._session.stop(command.at_us, "shutdown")
