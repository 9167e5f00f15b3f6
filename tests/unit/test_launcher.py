"""Real child processes: their end is always reported, and a kill is a kill."""

from __future__ import annotations

import os
import queue
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from recorder.unit.events import WorkerExited
from recorder.unit.launcher import ChildProcessLauncher

CLOCK = SystemClock()


@dataclass
class Starter:
    folder: Path
    events: queue.Queue[Any] = field(default_factory=queue.Queue)
    made: list[ChildProcessLauncher] = field(default_factory=list)

    def launcher(self, script: str) -> ChildProcessLauncher:
        made = ChildProcessLauncher(b'{"device": {}}', self.events, CLOCK, (sys.executable, "-c", script))
        self.made.append(made)
        return made

    def exited(self) -> WorkerExited:
        event = self.events.get(timeout=20)
        assert isinstance(event, WorkerExited)
        return event


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    made = Starter(tmp_path)
    yield made
    for launcher in made.made:
        launcher.close(0.0)


def test_an_exit_is_reported_with_its_status(starter: Starter) -> None:
    launcher = starter.launcher("raise SystemExit(70)")
    launcher.launch("cam0", starter.folder / "s")
    event = starter.exited()
    assert (event.camera_id, event.status) == ("cam0", 70)
    assert launcher.pid("cam0") is None


def test_a_hung_worker_is_killed_and_the_signal_is_reported(starter: Starter) -> None:
    launcher = starter.launcher("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()")
    launcher.launch("cam0", starter.folder / "s")
    pid = launcher.pid("cam0")
    assert pid is not None and os.getpgid(pid) == pid
    launcher.kill("cam0")
    event = starter.exited()
    assert (event.pid, event.status) == (pid, -signal.SIGKILL)
    launcher.kill("cam0")
    launcher.kill("no-such-camera")


def test_the_worker_gets_its_camera_its_socket_and_the_configuration(starter: Starter) -> None:
    script = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text(sys.argv[1] + ' ' + sys.stdin.read())"
    launcher = starter.launcher(script)
    path = starter.folder / "capture-cam0.sock"
    for _ in range(2):  # a second launch gets the whole configuration again
        launcher.launch("cam0", path)
        assert starter.exited().status == 0
        assert path.read_text() == 'cam0 {"device": {}}'
        path.unlink()


def test_closing_leaves_nobody_behind(starter: Starter) -> None:
    launcher = starter.launcher("import signal; signal.pause()")
    launcher.launch("cam0", starter.folder / "a")
    launcher.launch("cam1", starter.folder / "b")
    launcher.close(0.1)
    assert {starter.exited().camera_id, starter.exited().camera_id} == {"cam0", "cam1"}


def test_hanging_workers_share_one_deadline(starter: Starter) -> None:
    launcher = starter.launcher("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()")
    for number in range(4):
        launcher.launch(f"cam{number}", starter.folder / "s")
    began_us = CLOCK.boottime_us()
    launcher.close(1.0)
    assert CLOCK.boottime_us() - began_us < 3_000_000
    assert {starter.exited().status for _ in range(4)} == {-signal.SIGKILL}


def test_closing_does_not_wait_for_what_survives_its_kill(
    starter: Starter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    launcher = starter.launcher("import signal; signal.pause()")
    for number in range(2):
        launcher.launch(f"cam{number}", starter.folder / "s")
    with monkeypatch.context() as hanging:
        hanging.setattr(launcher, "kill", lambda camera_id: None)  # as in an uninterruptible system call
        hanging.setattr("recorder.unit.launcher.KILLED_S", 0.2)
        began_us = CLOCK.boottime_us()
        launcher.close(0.1)
    assert CLOCK.boottime_us() - began_us < 2_000_000
    assert [record.getMessage() for record in caplog.records] == ["worker.outlived"] * 2


def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    launcher = ChildProcessLauncher(b"", queue.Queue(), CLOCK, (str(tmp_path / "missing"),))
    with pytest.raises(OSError, match="missing"):
        launcher.launch("cam0", tmp_path / "s")
    assert launcher.pid("cam0") is None
    launcher.close(0.0)
