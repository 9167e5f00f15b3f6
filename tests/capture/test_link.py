"""The worker's end of the channel against a plain socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from recorder.capture.link import Link
from recorder.channel.messages import (
    Ack,
    FaultReport,
    Hello,
    Overlay,
    Progress,
    ToWorker,
    decode_from_worker,
    encode,
)


class Other:
    def __init__(self, directory: Path) -> None:
        path = directory / "channel.sock"
        self.received: list[ToWorker] = []
        self.got = threading.Event()
        self.closed = threading.Event()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.bind(str(path))
            server.listen(1)
            hello = Hello(camera_id="cam0", at_us=1, pid=2)
            self.link = Link(path, hello, self._receive, self.closed.set)
            self.socket, _ = server.accept()
        self.socket.settimeout(10)
        self.lines: IO[bytes] = self.socket.makefile("rb")

    def _receive(self, message: ToWorker) -> None:
        self.received.append(message)
        self.got.set()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    other = Other(tmp_path)
    other.link.start()
    yield other
    other.lines.close()
    other.socket.close()
    assert other.closed.wait(10)


def fault(code: str) -> FaultReport:
    return FaultReport(camera_id="cam0", at_us=0, n=0, code=code, phase="onset", component="x", evidence={})


def progress(frames: int) -> Progress:
    return Progress(
        camera_id="cam0",
        at_us=0,
        frames=frames,
        entries=0,
        recording=False,
        last_frame_us=0,
        dropped_frames=0,
        buffer_bytes=0,
        lux=None,
    )


def test_hello_first_then_numbered_reports(other: Other) -> None:
    for code in ("a", "b", "c"):
        other.link.report(fault(code))
    messages = [decode_from_worker(other.lines.readline()) for _ in range(4)]
    assert isinstance(messages[0], Hello)
    assert [(m.n, m.code) for m in messages[1:] if isinstance(m, FaultReport)] == [(1, "a"), (2, "b"), (3, "c")]


def test_reports_are_kept_until_acknowledged(other: Other) -> None:
    for code in ("a", "b", "c"):
        other.link.report(fault(code))
    assert other.link.unacknowledged() == 3
    other.socket.sendall(encode(Ack(camera_id="cam0", at_us=0, n=2)))
    other.socket.sendall(encode(Overlay(camera_id="cam0", at_us=0, device_id="z", officers=())))
    assert other.got.wait(10)
    assert other.link.unacknowledged() == 1
    assert not other.link.finish(0.05)


def test_finish_returns_when_all_is_acknowledged(other: Other) -> None:
    other.link.report(fault("a"))
    other.socket.sendall(encode(Ack(camera_id="cam0", at_us=0, n=1)))
    assert other.link.finish(10)


def test_nobody_waits_for_a_socket_that_is_full(other: Other) -> None:
    """The other side never reads. Thousands of reports and progresses are enqueued all the same, and memory for
    progress does not grow."""
    done = threading.Event()

    def work() -> None:
        for n in range(5_000):
            other.link.report(fault("x" * 200))
            other.link.progress(progress(n))
        done.set()

    threading.Thread(target=work, daemon=True).start()
    assert done.wait(20)
    assert other.link.unacknowledged() == 5_000


def test_an_unknown_version_ends_the_connection(other: Other) -> None:
    other.socket.sendall(b'{"v":2,"kind":"start"}\n')
    assert other.closed.wait(10)


def test_the_other_side_going_away_is_noticed(other: Other) -> None:
    other.socket.shutdown(socket.SHUT_RDWR)
    assert other.closed.wait(10)
    other.link.report(fault("late"))
    assert not other.link.finish(0.1) or other.link.unacknowledged() == 0
