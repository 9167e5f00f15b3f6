"""The worker as the unit process sees it: over its socket, on real threads, in real time."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import AudioBlock, Camera, Clock, DeviceError, Medium, Microphone
from firmware_bridge.software_encoder import RawFrame, SoftwareEncodedCamera
from recorder.capture.settings import WorkerSettings, worker_settings
from recorder.capture.worker import Worker, run_worker
from recorder.channel.messages import (
    Ack,
    Closed,
    EntryWritten,
    FaultReport,
    FromWorker,
    Hello,
    Message,
    Opened,
    Overlay,
    Progress,
    Recipients,
    Start,
    Stop,
    decode_from_worker,
    encode,
)
from recorder.config.load import canonical
from recorder.config.models import RecorderConfig
from recorder.evidence.age import generate_identity
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.notify import Notifier
from tests.capture.doubles import SESSION, FailingFiles
from tests.capture.footage import CounterSource, pictures
from tests.support import require_program

T = TypeVar("T")


class PacedSource(CounterSource):
    """The counter footage in real time, stamped by the clock; stops when ``stuck`` is set, dies when ``gone``."""

    def __init__(self) -> None:
        super().__init__(1 << 20, jitter_us=0)
        self._clock = SystemClock()
        self.stuck = threading.Event()
        self.gone = threading.Event()
        self._tick = threading.Event()
        self._due_us = 0

    def next_frame(self, timeout_s: float) -> RawFrame | None:
        if self.gone.is_set():
            raise DeviceError("camera", "unplugged", 19)
        if self.stuck.is_set():
            self.closed.wait(timeout_s)
            return None
        raw = super().next_frame(timeout_s)
        assert raw is not None
        self._due_us = max(self._due_us + 33_333, self._clock.boottime_us() - 50_000)
        self._tick.wait(max(0.0, (self._due_us - self._clock.boottime_us()) / 1e6))
        return RawFrame(raw.y, raw.u, raw.v, self._due_us, raw.sensor)


class Hum:
    """A microphone that hears a quiet room at the right pace."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._tick = threading.Event()

    def open(self, rate: int, block: int) -> None:
        self._rate, self._block = rate, block
        self._due_us = self._clock.boottime_us()

    def read(self, timeout_s: float) -> AudioBlock | None:
        self._due_us += self._block * 1_000_000 // self._rate
        self._tick.wait(max(0.0, (self._due_us - self._clock.boottime_us()) / 1e6))
        hiss = (np.arange(self._block) % 7 - 3).astype(np.int16)
        return AudioBlock(hiss, self._clock.boottime_us(), False)

    def close(self) -> None:
        pass


class Hanging(Hum):
    """A driver whose read never comes back, until the test lets go; closing it meanwhile would hang as well."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def read(self, timeout_s: float) -> AudioBlock | None:
        self.let_go.wait(30)
        return None


@dataclass
class TestBoard:
    __test__ = False
    camera: Camera
    microphone: Microphone | None
    clock: Clock = field(default_factory=SystemClock)
    medium: Medium | None = None
    closed: bool = False

    def close(self) -> None:
        self.closed = True


@dataclass
class Unit:
    """The unit process's end of the channel."""

    config: WorkerSettings
    directory: Path
    source: PacedSource
    board: TestBoard
    connection: socket.socket
    worker: Worker
    thread: threading.Thread
    messages: list[FromWorker] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    files: FailingFiles = field(default_factory=lambda: FailingFiles({}))
    acknowledge: bool = True
    code: list[int] = field(default_factory=list)

    def read(self) -> None:
        with self.connection.makefile("rb") as lines:
            for line in lines:
                message = decode_from_worker(line)
                with self.changed:
                    self.messages.append(message)
                    self.changed.notify_all()
                if self.acknowledge and not isinstance(message, Hello | Progress):
                    with contextlib.suppress(BrokenPipeError):  # the test has closed the channel meanwhile
                        self.send(Ack(camera_id="cam0", at_us=0, n=message.n))

    def send(self, message: Message) -> None:
        self.connection.sendall(encode(message))

    def wait(self, what: Callable[[], bool], timeout_s: float = 20) -> None:
        with self.changed:
            assert self.changed.wait_for(what, timeout_s), [m for m in self.messages if not isinstance(m, Progress)][
                -5:
            ]

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.messages if isinstance(message, kind)]

    def start(self, *, preroll: bool = False) -> int:
        at_us = self.board.clock.boottime_us()
        self.send(Start(camera_id="cam0", at_us=at_us, session_id=SESSION, next_index=0, preroll=preroll))
        return at_us

    def stop(self) -> None:
        self.send(Stop(camera_id="cam0", at_us=self.board.clock.boottime_us(), session_id=SESSION, reason="stop"))

    def path(self, opened: Opened) -> Path:
        suffix = ".mp4.age" if opened.recipients else ".mp4"
        return self.directory / "segments" / SESSION / f"{opened.segment_id}{suffix}"


DEFAULTS = Path(__file__).parents[2] / "config" / "defaults.toml"


def settings(directory: Path) -> WorkerSettings:
    table = tomllib.loads(DEFAULTS.read_text(encoding="utf-8"))
    table["storage"] |= {"data_dir": str(directory), "run_dir": str(directory), "reserve_mb": 16}
    table["cameras"]["cam0"] |= {"width": 320, "height": 180, "bitrate_kbps": 600}
    table["capture"] |= {"segment_s": 2, "pre_event_s": 1}
    return worker_settings(canonical(RecorderConfig.model_validate(table)))


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    config = settings(tmp_path)
    files = FailingFiles({})
    source = PacedSource()
    clock = SystemClock()
    board = TestBoard(SoftwareEncodedCamera(source, clock), Hum())
    address = tmp_path / "capture-cam0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(address))
        server.listen(1)
        worker = Worker(config, "cam0", board, address, files)
        connection, _ = server.accept()
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(worker.run()), name="worker")
    unit = Unit(config, tmp_path, source, board, connection, worker, thread, files=files, code=code)
    thread.start()
    reader = threading.Thread(target=unit.read, name="unit")
    reader.start()
    yield unit
    worker.terminate()
    thread.join(20)
    reader.join(5)
    connection.close()
    assert not thread.is_alive() and not reader.is_alive()
    assert board.closed


def ended(unit: Unit) -> bool:
    return any(closed.last_of_session for closed in unit.of(Closed))


def test_a_short_session(unit: Unit) -> None:
    assert isinstance(unit.messages[0] if unit.messages else Hello(camera_id="cam0", at_us=0, pid=1), Hello)
    unit.send(Overlay(camera_id="cam0", at_us=0, device_id="zfy-1", officers=("13010001",)))
    unit.wait(lambda: any(progress.frames > 60 for progress in unit.of(Progress)))
    at_us = unit.start(preroll=True)
    unit.wait(lambda: len(unit.of(Closed)) >= 3)
    unit.stop()
    unit.wait(lambda: ended(unit))
    opened = sorted(unit.of(Opened), key=lambda report: report.media_start_us)
    assert opened[0].role == "preroll" and opened[1].role == "live"
    assert opened[1].media_start_us <= at_us
    numbers = [picture.number for each in opened for picture in pictures(unit.path(each))]
    assert numbers[0] is not None
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {each.officers for each in opened} == {("13010001",)}
    reports = [m.n for m in unit.messages if not isinstance(m, Hello | Progress)]
    assert reports == list(range(1, len(reports) + 1))
    assert not unit.of(FaultReport)
    for closed in unit.of(Closed):
        path = unit.path(next(each for each in opened if each.segment_id == closed.segment_id))
        assert sha256_b64u(path.read_bytes()) == closed.sha256


def test_sealed_segments_open_with_age(unit: Unit, tmp_path: Path) -> None:
    identities = [generate_identity(), generate_identity()]
    recipients = tuple(identity.recipient for identity in identities)
    unit.send(Recipients(camera_id="cam0", at_us=0, recipients=recipients))
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 4)
    unit.stop()
    unit.wait(lambda: ended(unit))
    opened, closed = unit.of(Opened)[0], unit.of(Closed)[0]
    assert opened.recipients == recipients
    key = tmp_path / "identity.txt"
    key.write_text(identities[1].text)
    plain = tmp_path / "plain.mp4"
    subprocess.run([require_program("age"), "-d", "-i", key, "-o", plain, unit.path(opened)], check=True)
    data = plain.read_bytes()
    assert (len(data), sha256_b64u(data)) == (closed.plaintext_size, closed.plaintext_sha256)
    stored = unit.path(opened).read_bytes()
    position = 0
    for entry in unit.of(EntryWritten):
        if entry.segment_id != opened.segment_id:
            continue
        assert sha256_b64u(stored[entry.offset : entry.offset + entry.length]) == entry.sha256_stored
        chunks, rest = divmod(entry.length, 65552)
        size = chunks * 65536 if entry.entry < closed.entries - 1 else 8
        assert entry.entry == 0 or rest == (0 if size > 8 else 24)
        assert sha256_b64u(data[position : position + size]) == entry.sha256_plain
        position += size
    numbers = [picture.number for picture in pictures(plain)]
    assert numbers[0] is not None and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_closed_channel_closes_the_file(unit: Unit) -> None:
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 2)
    unit.connection.shutdown(socket.SHUT_RDWR)
    unit.thread.join(10)
    assert unit.code == [0]
    opened = unit.of(Opened)[0]
    data = unit.path(opened).read_bytes()
    assert data.endswith(b"\x00\x00\x00\x08free")
    assert pictures(unit.path(opened))


def test_sigterm_closes_reports_and_waits_for_the_signature(unit: Unit) -> None:
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 2)
    unit.worker.terminate()
    unit.thread.join(10)
    assert unit.code == [0]
    closed = unit.of(Closed)
    assert [each.reason for each in closed] == ["shutdown"] and closed[0].last_of_session


def test_a_stuck_socket_never_blocks_the_writer(unit: Unit) -> None:
    """The unit process does not read and does not acknowledge for a while: the file grows all the same."""
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.acknowledge = False
    unit.start()
    unit.wait(lambda: bool(unit.of(Opened)))
    path = unit.path(unit.of(Opened)[0])
    with unit.changed:  # the reader thread hangs on this lock, the socket fills, the worker must not care
        before = path.stat().st_size
        threading.Event().wait(1.5)
        grown = sum(each.stat().st_size for each in path.parent.iterdir())
    assert grown > before + 65536
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 4)
    unit.connection.shutdown(socket.SHUT_RDWR)


def test_a_stalled_camera_loses_nothing_it_delivered(unit: Unit) -> None:
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 3)
    unit.source.stuck.set()
    unit.wait(lambda: len({progress.frames for progress in unit.of(Progress)[-4:]}) == 1)
    last_us = unit.of(Progress)[-1].last_frame_us
    unit.wait(lambda: unit.of(EntryWritten)[-1].media_end_us > last_us)


def test_an_unplugged_camera_is_a_fault_and_closes_the_segment(unit: Unit) -> None:
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 2)
    unit.source.gone.set()
    unit.wait(lambda: bool(unit.of(Closed)))
    fault = unit.of(FaultReport)[0]
    assert (fault.code, fault.phase, fault.evidence["errno"]) == ("camera-unplugged", "onset", 19)
    closed = unit.of(Closed)[0]
    assert closed.reason == "camera-fault" and not closed.last_of_session
    assert len(pictures(unit.path(unit.of(Opened)[0]))) == closed.frames


def test_no_channel_no_worker(tmp_path: Path) -> None:
    board = TestBoard(SoftwareEncodedCamera(PacedSource(), SystemClock()), None)
    assert run_worker(settings(tmp_path), "cam0", board, tmp_path / "nobody.sock", OsFiles()) == 69
    assert board.closed


def test_a_disk_that_is_broken_at_the_stop_ends_the_worker_and_not_the_units_patience(unit: Unit) -> None:
    """No ``closed`` can honestly be said of a file whose end was refused; the unit would wait five seconds, then kill.
    The worker reports the fault, has every report acknowledged, and ends: what it signed stays, the rest is recovered."""
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 3)
    unit.files.broken = True
    stopped_us = unit.board.clock.boottime_us()
    unit.stop()
    unit.thread.join(10)
    assert unit.code == [74]
    assert unit.board.clock.boottime_us() - stopped_us < 5_000_000
    assert not any(closed.last_of_session for closed in unit.of(Closed))
    assert ("storage-io-error", "onset") in {(fault.code, fault.phase) for fault in unit.of(FaultReport)}
    last = unit.of(Opened)[-1]
    durable = sum(entry.length for entry in unit.of(EntryWritten) if entry.segment_id == last.segment_id)
    assert unit.path(last).stat().st_size >= durable


def test_a_disk_that_takes_headers_and_no_media_is_no_progress(unit: Unit) -> None:
    """The unit process kills a worker whose count stands still while it records, and so opens the gap; counted, each new
    file's header would hold that off for as long as the disk is like this."""
    unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
    unit.files.headers_only = True
    unit.start()
    unit.wait(lambda: len(unit.of(EntryWritten)) >= 3)
    seen = len(unit.of(Progress))
    unit.wait(lambda: len(unit.of(Progress)) > seen + 1)
    assert {entry.entry for entry in unit.of(EntryWritten)} == {0}
    assert {progress.entries for progress in unit.of(Progress)} == {0}
    unit.files.headers_only = False
    unit.wait(lambda: unit.of(Progress)[-1].entries > 0)


def test_a_microphone_that_hangs_keeps_nobody_from_going(tmp_path: Path) -> None:
    microphone = Hanging()
    board = TestBoard(SoftwareEncodedCamera(PacedSource(), SystemClock()), microphone)
    address = tmp_path / "capture-cam0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(address))
        server.listen(1)
        worker = Worker(settings(tmp_path), "cam0", board, address, OsFiles())
        connection, _ = server.accept()
    code: list[int] = []
    thread = threading.Thread(target=lambda: code.append(worker.run()))
    thread.start()
    with connection:
        connection.shutdown(socket.SHUT_RDWR)
        thread.join(8)
    microphone.let_go.set()
    assert code == [0] and not board.closed


def test_opening_may_take_longer_than_the_watchdog_of_a_worker_that_has_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera, let_go = SoftwareEncodedCamera(PacedSource(), SystemClock()), threading.Event()
    start = camera.start

    def slowly(*arguments: Any) -> None:
        let_go.wait(20)
        start(*arguments)

    monkeypatch.setattr(camera, "start", slowly)
    address, heard = tmp_path / "capture-cam0.sock", str(tmp_path / "notify")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server,
    ):
        systemd.bind(heard)
        systemd.settimeout(20)
        server.bind(str(address))
        server.listen(1)
        notifier = Notifier({"NOTIFY_SOCKET": heard, "WATCHDOG_USEC": "6000000"})
        worker = Worker(settings(tmp_path), "cam0", TestBoard(camera, None), address, OsFiles(), notifier=notifier)
        connection, _ = server.accept()
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            assert [systemd.recv(4096) for _ in range(2)] == [
                b"READY=1\nSTATUS=cam0",
                b"WATCHDOG_USEC=60000000\nWATCHDOG=1",
            ]
            let_go.set()
            while (said := systemd.recv(4096)) == b"WATCHDOG=1":
                pass  # open, and no frame yet
            assert said == b"WATCHDOG_USEC=6000000\nWATCHDOG=1"
            assert systemd.recv(4096) == b"WATCHDOG=1", "once"
        finally:
            let_go.set()
            connection.close()
            thread.join(20)
        notifier.close()
    assert not thread.is_alive()


def test_the_reserve_is_what_the_unit_process_takes_it_for(tmp_path: Path) -> None:
    """``storage.reserve_mb`` counts 10⁶ bytes: with that and the room a segment begins with free, it records."""
    source, files = PacedSource(), FailingFiles({})
    files.free = 16_000_000 + (4 << 20) + 200_000
    board = TestBoard(SoftwareEncodedCamera(source, SystemClock()), None)
    address = tmp_path / "capture-cam0.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(address))
        server.listen(1)
        worker = Worker(settings(tmp_path), "cam0", board, address, files)
        connection, _ = server.accept()
    unit = Unit(settings(tmp_path), tmp_path, source, board, connection, worker, threading.Thread(target=worker.run))
    reader = threading.Thread(target=unit.read)
    unit.thread.start()
    reader.start()
    try:
        unit.wait(lambda: any(progress.frames > 5 for progress in unit.of(Progress)))
        unit.start()
        unit.wait(lambda: len(unit.of(EntryWritten)) >= 2)
        assert unit.of(FaultReport) == []
    finally:
        worker.terminate()
        unit.thread.join(20)
        reader.join(5)
        connection.close()
