"""The worker as systemd starts it: real entry point, real launcher, a socket activator in systemd's place."""

from __future__ import annotations

import queue
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.clock import SystemClock
from recorder.channel import kill_switch
from recorder.channel.messages import Hello, decode_from_worker
from recorder.channel.worker_lock import hold, wait_until_gone
from recorder.unit.systemd_launcher import SystemdLauncher
from tests.capture.test_process import config
from tests.firmware_bridge.manual_clock import ManualClock
from tests.unit.socket_activator import SocketActivator


class Unit:
    """The unit process's ends: launch connection, channel, and what systemd hears."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "cam0.sock"
        self.events: queue.Queue[Any] = queue.Queue()
        self.notified = self._listening(socket.SOCK_DGRAM, folder / "notify")
        self.channel = self._listening(socket.SOCK_STREAM, self.path)
        self.channel.listen(1)
        self.activator = SocketActivator(
            folder / "launch.sock", environment={"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "6000000"}
        )
        text = config(folder, "tests.capture.board")
        self.launcher = SystemdLauncher(text, folder / "launch.sock", self.events, SystemClock())

    @staticmethod
    def _listening(kind: socket.SocketKind, path: Path) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, kind)
        made.bind(str(path))
        made.settimeout(30)
        return made

    def connected(self) -> tuple[socket.socket, int]:
        """The channel of the worker that comes, and its process id."""
        connection, _ = self.channel.accept()
        with connection.makefile("rb") as lines:
            hello = decode_from_worker(lines.readline())
        assert isinstance(hello, Hello)
        return connection, hello.pid

    def told(self) -> str:
        return self.notified.recv(4096).decode()

    def close(self) -> None:
        self.activator.close()
        self.notified.close()
        self.channel.close()


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Unit]:
    made = Unit(tmp_path)
    yield made
    made.close()


@pytest.mark.timeout(90)
def test_it_works_until_its_channel_closes_and_says_so(unit: Unit) -> None:
    unit.launcher.launch("cam0", unit.path)
    connection, pid = unit.connected()
    with connection:
        assert unit.launcher.pid("cam0") == pid == unit.activator.started[0].pid
        assert unit.told() == "READY=1\nSTATUS=cam0"
        assert unit.told() == "WATCHDOG_USEC=60000000\nWATCHDOG=1"
        assert unit.told() == "WATCHDOG=1"
    event = unit.events.get(timeout=30)
    assert (event.camera_id, event.pid, event.status) == ("cam0", pid, 0)
    said = unit.told()
    while said == "WATCHDOG=1":
        said = unit.told()
    assert said == "STOPPING=1"


@pytest.mark.timeout(90)
def test_the_switch_ends_it(unit: Unit) -> None:
    unit.launcher.launch("cam0", unit.path)
    connection, pid = unit.connected()
    with connection:
        unit.launcher.kill("cam0")
        event = unit.events.get(timeout=30)
    assert (event.pid, event.status) == (pid, -signal.SIGKILL)
    assert unit.activator.started[0].wait(10) == -signal.SIGKILL


@pytest.mark.timeout(90)
def test_a_new_unit_process_ends_the_last_ones_worker_by_its_switch(unit: Unit) -> None:
    """It may not signal it: it is another user's. Nothing is cut before it is gone."""
    unit.launcher.launch("cam0", unit.path)
    connection, _ = unit.connected()
    with connection:
        assert wait_until_gone(unit.path, ManualClock(), 0.0)
        assert hold(unit.path) is not None
    assert unit.activator.started[0].wait(10) == -signal.SIGKILL


@pytest.mark.timeout(90)
def test_without_a_switch_it_records_all_the_same(unit: Unit) -> None:
    unit.launcher.launch("cam0", unit.path)
    connection, _ = unit.connected()
    connection.close()
    assert unit.events.get(timeout=30).status == 0
    switch = kill_switch.switch_path(unit.path)
    switch.unlink()
    switch.mkdir()  # neither a FIFO nor to be made one
    unit.launcher.launch("cam0", unit.path)
    connection, pid = unit.connected()
    with connection:
        assert pid == unit.activator.started[1].pid
        unit.launcher.kill("cam0")  # says in the log that it cannot
    assert unit.events.get(timeout=30).status == 0
