"""The unit's end of the channel, against a worker that is a plain socket here."""

from __future__ import annotations

import queue
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from recorder.channel import messages
from recorder.unit.events import UnitEvent, WorkerConnected, WorkerDisconnected, WorkerMessage
from recorder.unit.worker_link import MAX_LINE, WorkerLink

HELLO = messages.Hello(camera_id="cam0", at_us=1, pid=4711)
PROGRESS = messages.Progress(
    camera_id="cam0",
    at_us=2,
    frames=1,
    entries=0,
    recording=False,
    last_frame_us=1,
    dropped_frames=0,
    buffer_bytes=0,
    lux=None,
)


class Unit:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.events: queue.Queue[UnitEvent] = queue.Queue()
        self.link = WorkerLink("cam0", path, self.events)

    def next(self) -> UnitEvent:
        return self.events.get(timeout=10)


class FakeWorker:
    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.reader = self.socket.makefile("rb")

    def say(self, *said: messages.Message) -> None:
        self.socket.sendall(b"".join(messages.encode(message) for message in said))

    def hear(self) -> messages.ToWorker:
        return messages.decode_to_worker(self.reader.readline())

    def close(self) -> None:
        self.reader.close()
        self.socket.close()


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    made = Unit(tmp_path / "capture-cam0.sock")
    yield made
    made.link.close()
    assert not made.path.exists()


@pytest.fixture
def worker(unit: Unit) -> Iterator[FakeWorker]:
    made = FakeWorker(unit.path)
    made.say(HELLO)
    assert unit.next() == WorkerConnected("cam0", 4711)
    yield made
    made.close()


def test_messages_both_ways(unit: Unit, worker: FakeWorker) -> None:
    worker.say(PROGRESS)
    assert unit.next() == WorkerMessage("cam0", PROGRESS)
    stop = messages.Stop(camera_id="cam0", at_us=3, session_id="s", reason="stop")
    assert unit.link.send(stop)
    assert worker.hear() == stop


def test_only_owner_and_group_may_connect(unit: Unit) -> None:
    assert stat.S_IMODE(unit.path.stat().st_mode) == 0o660


def test_everything_said_before_the_end_is_delivered_before_the_end(unit: Unit, worker: FakeWorker) -> None:
    worker.say(*[PROGRESS] * 500)
    worker.close()
    for _ in range(500):
        assert unit.next() == WorkerMessage("cam0", PROGRESS)
    assert unit.next() == WorkerDisconnected("cam0", "closed")


def test_the_next_worker_is_served_after_the_first(unit: Unit, worker: FakeWorker) -> None:
    worker.close()
    assert isinstance(unit.next(), WorkerDisconnected)
    second = FakeWorker(unit.path)
    second.say(HELLO)
    assert unit.next() == WorkerConnected("cam0", 4711)
    assert unit.link.send(messages.Ack(camera_id="cam0", at_us=1, n=1))
    assert isinstance(second.hear(), messages.Ack)
    second.close()


def test_without_a_worker_nothing_is_sent(unit: Unit) -> None:
    assert not unit.link.send(messages.Ack(camera_id="cam0", at_us=1, n=1))


def _version_two() -> bytes:
    return messages.encode(HELLO).replace(b'"v":1', b'"v":2')


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (_version_two(), "not understood"),
        (messages.encode(PROGRESS), "no hello"),
        (messages.encode(HELLO).replace(b"cam0", b"cam1"), "camera cam1 on the socket of cam0"),
        (b"not json\n", "not understood"),
        (b'{"kind":"hello"', "torn or oversized"),
        (b"x" * MAX_LINE, "torn or oversized"),
    ],
)
def test_nonsense_ends_the_connection_and_is_reported(unit: Unit, data: bytes, detail: str) -> None:
    stranger = FakeWorker(unit.path)
    stranger.socket.sendall(data)
    stranger.socket.shutdown(socket.SHUT_WR)
    event = unit.next()
    assert isinstance(event, WorkerDisconnected) and detail in event.detail
    stranger.close()


def test_nonsense_in_the_middle_too(unit: Unit, worker: FakeWorker) -> None:
    worker.socket.sendall(b"{}\n")
    event = unit.next()
    assert isinstance(event, WorkerDisconnected) and "not understood" in event.detail
    assert worker.reader.read() == b"", "the worker sees its socket close, closes its file and exits"


def test_a_worker_that_does_not_read_cannot_hold_the_main_loop(unit: Unit, worker: FakeWorker) -> None:
    """A minute's worth of telemetry fits; then the connection is given up without waiting."""
    ack = messages.Ack(camera_id="cam0", at_us=1, n=1)
    for _ in range(2 * 2 * 30):
        assert unit.link.send(ack)
    overlay = messages.Overlay(camera_id="cam0", at_us=1, device_id="x" * 60_000, officers=())
    sent = 0
    while unit.link.send(overlay):
        sent += 1
        assert sent < 100
    assert not unit.link.send(overlay), "dropped for good, and at once"
    assert isinstance(unit.next(), WorkerDisconnected)


def test_dropping_ends_the_workers_socket(unit: Unit, worker: FakeWorker) -> None:
    unit.link.drop()
    assert worker.reader.read() == b""
    assert isinstance(unit.next(), WorkerDisconnected)


def test_a_connection_that_says_nothing_does_not_keep_the_worker_out(
    unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.unit.worker_link.HELLO_S", 0.1)
    stranger = FakeWorker(unit.path)
    worker = FakeWorker(unit.path)
    worker.say(HELLO)
    events = [unit.next(), unit.next()]
    assert isinstance(events[0], WorkerDisconnected)
    assert events[1] == WorkerConnected("cam0", 4711)
    stranger.close()
    worker.close()


def test_a_worker_that_has_said_hello_may_be_silent(unit: Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recorder.unit.worker_link.HELLO_S", 0.1)
    worker = FakeWorker(unit.path)
    worker.say(HELLO)
    assert unit.next() == WorkerConnected("cam0", 4711)
    with pytest.raises(queue.Empty):
        unit.events.get(timeout=0.4)
    worker.say(PROGRESS)
    assert unit.next() == WorkerMessage("cam0", PROGRESS)
    worker.close()


def test_a_stale_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "capture-cam0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as old:
        old.bind(str(path))
    events: queue.Queue[Any] = queue.Queue()
    WorkerLink("cam0", path, events).close()
