"""The worker's end of the channel (``recorder.channel.messages``): reports out, commands in, on threads of their own.

``report`` and ``progress`` only enqueue: whoever muxes never waits for the socket. Reports are kept until acknowledged; of
progress only the newest waits.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from recorder.capture.stream import Report
from recorder.channel.messages import Ack, Hello, Message, MessageError, Progress, ToWorker, decode_to_worker, encode

LOG = logging.getLogger(__name__)

_LINE_MOST: Final = 1 << 20


class Link:
    """Connects at once (raises OSError). ``receive`` gets every message but ``ack`` on the reader thread; ``closed`` is
    called once when the connection ends, from either side."""

    def __init__(
        self, path: Path, hello: Hello, receive: Callable[[ToWorker], None], closed: Callable[[], None]
    ) -> None:
        self._receive = receive
        self._closed = closed
        self._changed = threading.Condition()
        self._unsent: deque[Report] = deque()
        self._unacknowledged: deque[int] = deque()
        self._progress: Progress | None = None
        self._n = 0
        self._ended = False
        self._finishing = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(str(path))
            self._socket.sendall(encode(hello))
        except OSError:
            self._socket.close()
            raise
        self._reader = threading.Thread(target=self._read, name="link-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="link-writer", daemon=True)

    def start(self) -> None:
        self._reader.start()
        self._writer.start()

    def report(self, report: Report) -> None:
        """Number a report and enqueue it. Never blocks, never raises; after the end it is dropped (recovery finds it)."""
        with self._changed:
            if self._ended:
                return
            self._n += 1
            self._unsent.append(replace(report, n=self._n))
            self._unacknowledged.append(self._n)
            self._changed.notify_all()

    def progress(self, progress: Progress) -> None:
        with self._changed:
            self._progress = progress
            self._changed.notify_all()

    def unacknowledged(self) -> int:
        """Reports the unit process has not signed yet."""
        with self._changed:
            return len(self._unacknowledged)

    def finish(self, timeout_s: float) -> bool:
        """Wait until every report is acknowledged, then end. False when time ran out or the other side went first."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._ended or not self._unacknowledged, timeout_s)
            complete = done and not self._unacknowledged
        self._end()
        return complete

    def _read(self) -> None:
        pending = b""
        try:
            while data := self._socket.recv(65536):
                *lines, pending = (pending + data).split(b"\n")
                for line in lines:
                    self._take(line)
                if len(pending) > _LINE_MOST:
                    raise ValueError(f"line of more than {_LINE_MOST} bytes")
        except (OSError, ValueError) as error:  # MessageError is a ValueError: a version we do not speak ends it
            LOG.warning("channel ended 通道中断: %s", error)
        finally:
            self._end()
            self._closed()

    def _take(self, line: bytes) -> None:
        try:
            message = decode_to_worker(line)
        except MessageError:
            LOG.exception("unintelligible message 无法理解的消息: %r", line[:200])
            raise
        if isinstance(message, Ack):
            with self._changed:
                while self._unacknowledged and self._unacknowledged[0] <= message.n:
                    self._unacknowledged.popleft()
                self._changed.notify_all()
        else:
            self._receive(message)

    def _write(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                self._socket.sendall(b"".join(encode(message) for message in batch))
        except OSError as error:
            LOG.warning("channel ended 通道中断: %s", error)
            self._end()

    def _next_batch(self) -> list[Message] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._unsent or self._progress is not None)
            if self._ended:
                return None
            batch: list[Message] = list(self._unsent)
            self._unsent.clear()
            if self._progress is not None:
                batch.append(self._progress)
                self._progress = None
            return batch

    def _end(self) -> None:
        with self._changed:
            if self._ended:
                return
            self._ended = True
            self._changed.notify_all()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            LOG.debug("socket was gone already: %s", error)
        self._socket.close()
