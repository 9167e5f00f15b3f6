"""Workers by socket activation: started, known by their process, ended by their switch, their end always reported."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from recorder.unit.events import WorkerExited
from recorder.unit.systemd_launcher import SystemdLauncher
from tests.unit.socket_activator import WORKER, SocketActivator

CLOCK = SystemClock()
ARMED = """
import json, os, signal, sys
from pathlib import Path
from recorder.channel import kill_switch
head, _, config = sys.stdin.buffer.read().partition(b"\\n")
request = json.loads(head)
kept = kill_switch.arm(kill_switch.switch_path(Path(request["socket"])))
Path(request["socket"] + ".said").write_bytes(request["camera_id"].encode() + b" " + config)
os.write(0, json.dumps({"pid": os.getpid()}).encode() + b"\\n")
"""
HANG = (
    ARMED + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nPath(request['socket'] + '.up').touch()\nsignal.pause()\n"
)
EXIT = ARMED + "os.write(0, b'{\"exit\": 74}\\n')\nsys.exit(74)\n"
VANISH = ARMED + "os._exit(3)\n"
NEVER = "import os; os._exit(1)"
NONSENSE = "import os, sys; sys.stdin.buffer.read(); os.write(0, b'hello\\n')"


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: queue.Queue[Any] = queue.Queue()
        self.launcher = SystemdLauncher(b'{"device": {}}', folder / "launch.sock", self.events, CLOCK)
        self.activator: SocketActivator | None = None

    def activate(self, script: str) -> SocketActivator:
        self.activator = SocketActivator(self.folder / "launch.sock", (sys.executable, "-c", script))
        return self.activator

    def launch(self) -> Path:
        path = self.folder / "cam0.sock"
        self.launcher.launch("cam0", path)
        return path

    def exited(self) -> WorkerExited:
        event = self.events.get(timeout=20)
        assert isinstance(event, WorkerExited) and event.camera_id == "cam0"
        return event

    def close(self) -> None:
        if self.activator is not None:
            self.activator.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


def up(path: Path, bench: Bench) -> int:
    """Wait until the worker is armed and says its process id."""
    while (pid := bench.launcher.pid("cam0")) is None or not path.with_name(path.name + ".up").exists():
        assert bench.events.empty()
    return pid


@pytest.mark.timeout(60)
def test_a_hung_worker_is_killed_by_its_switch(bench: Bench) -> None:
    activator = bench.activate(HANG)
    pid = up(bench.launch(), bench)
    assert pid == activator.started[0].pid and os.getpid() != pid
    bench.launcher.kill("cam0")
    event = bench.exited()
    assert (event.pid, event.status) == (pid, -signal.SIGKILL)
    assert activator.started[0].wait(10) == -signal.SIGKILL
    assert bench.launcher.pid("cam0") is None
    bench.launcher.kill("cam0")
    bench.launcher.kill("no-such-camera")


def test_the_worker_gets_camera_socket_and_the_configuration_of_its_launch(bench: Bench) -> None:
    bench.activate(EXIT)
    path = bench.launch()
    assert bench.exited().status == 74
    said = path.with_name(path.name + ".said")
    assert said.read_bytes() == b'cam0 {"device": {}}'
    bench.launcher.configure(b'{"device": {"id": "new"}}')
    bench.launch()
    assert bench.exited().status == 74
    assert said.read_bytes() == b'cam0 {"device": {"id": "new"}}'


@pytest.mark.parametrize(("script", "began"), [(VANISH, True), (NEVER, False), (NONSENSE, False)])
def test_an_end_without_a_word_is_an_end(script: str, began: bool, bench: Bench) -> None:
    bench.activate(script)
    bench.launch()
    event = bench.exited()
    assert event.status is None and (event.pid > 0) is began


@pytest.mark.timeout(60)
def test_closing_leaves_nobody_behind(bench: Bench) -> None:
    activator = bench.activate(HANG)
    up(bench.launch(), bench)
    bench.launcher.close(0.1)
    assert activator.started[0].wait(10) == -signal.SIGKILL
    assert bench.exited().status == -signal.SIGKILL


@pytest.mark.timeout(60)
def test_workers_that_hang_before_they_are_armed_share_one_deadline(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recorder.unit.systemd_launcher.KILLED_S", 0.5)
    bench.activate("import signal, sys; sys.stdin.buffer.read(); signal.pause()")
    for number in range(3):
        bench.launcher.launch(f"cam{number}", bench.folder / f"cam{number}.sock")
    began_us = CLOCK.boottime_us()
    bench.launcher.close(0.5)
    assert CLOCK.boottime_us() - began_us < 3_000_000


def test_without_the_socket_it_says_which_unit_is_missing(bench: Bench) -> None:
    with pytest.raises(OSError, match=r"recorder-capture\.socket.*launch\.sock"):
        bench.launch()
    assert bench.launcher.pid("cam0") is None


def test_the_real_entry_refuses_what_is_no_request(tmp_path: Path) -> None:
    done = subprocess.run(
        list(WORKER),
        input=b"nonsense",
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0 and b"ocket" in done.stderr, "standard input is no socket"
