"""Capture workers as systemd instances of a user of their own (docs/adr/0015-worker-launcher.md).

Nothing here needs a privilege: an instance is started by connecting to a socket systemd listens on
(``recorder-capture.socket``, ``Accept=yes``), ended by a kill switch the worker armed, and its end is the end of that
connection. A worker that hangs before it armed the switch is ended by ``TimeoutStartSec=``.
"""

from __future__ import annotations

import logging
import queue
import signal
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.ports import Clock
from recorder.channel import kill_switch
from recorder.channel.launching import LaunchError, decode_word, encode_request
from recorder.unit.events import UnitEvent, WorkerExited
from recorder.unit.launcher import KILLED_S

log = logging.getLogger("recorder.unit")

CONNECT_S = 1.0
"""systemd accepts at once; the main loop must not wait for one that does not."""


@dataclass(slots=True)
class _Instance:
    connection: socket.socket
    switch: Path
    pid: int = 0
    """0 until the worker has begun."""
    exit: int | None = None
    """What it said last itself."""
    killed: bool = False
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def status(self) -> int | None:
        if self.exit is None and self.killed:
            return -signal.SIGKILL
        return self.exit


class SystemdLauncher:
    """A ``WorkerLauncher``. ``launch_socket``: where systemd listens (``channel.places``)."""

    def __init__(self, config: bytes, launch_socket: Path, events: queue.Queue[UnitEvent], clock: Clock) -> None:
        self._config = config
        self._launch_socket = launch_socket
        self._events = events
        self._clock = clock
        self._instances: dict[str, _Instance] = {}

    def configure(self, config: bytes) -> None:
        self._config = config

    def launch(self, camera_id: str, socket_path: Path) -> None:
        switch = kill_switch.switch_path(socket_path)
        kill_switch.make(switch)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            connection.settimeout(CONNECT_S)
            connection.connect(str(self._launch_socket))
            connection.sendall(encode_request(camera_id, socket_path, self._config))
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(None)
        except OSError as error:
            connection.close()
            reason = f"{error.strerror or error} (recorder-capture.socket)"
            raise OSError(error.errno or 0, reason, str(self._launch_socket)) from error
        instance = _Instance(connection, switch)
        self._instances[camera_id] = instance
        threading.Thread(target=self._watch, args=(camera_id, instance), name=f"wait-{camera_id}", daemon=True).start()

    def kill(self, camera_id: str) -> None:
        instance = self._instances.get(camera_id)
        if instance is None or instance.ended.is_set():
            return
        instance.killed = True  # before: it may be over at once
        try:
            if kill_switch.throw(instance.switch):
                return
            detail = "not armed yet; systemd ends it"
        except OSError as error:
            detail = str(error)
        instance.killed = False
        log.warning("worker.kill", extra={"fields": {"camera_id": camera_id, "detail": detail}})

    def pid(self, camera_id: str) -> int | None:
        instance = self._instances.get(camera_id)
        return instance.pid or None if instance is not None and not instance.ended.is_set() else None

    def close(self, timeout_s: float) -> None:
        self._wait(timeout_s)
        for camera_id in self._instances:
            self.kill(camera_id)
        self._wait(KILLED_S)
        for camera_id, instance in self._instances.items():
            if not instance.ended.is_set():
                log.error("worker.outlived", extra={"fields": {"camera_id": camera_id}})

    def _wait(self, timeout_s: float) -> None:
        deadline_us = self._clock.boottime_us() + round(timeout_s * 1e6)
        for instance in self._instances.values():
            instance.ended.wait(max(0.0, (deadline_us - self._clock.boottime_us()) / 1e6))

    def _watch(self, camera_id: str, instance: _Instance) -> None:
        try:
            with instance.connection, instance.connection.makefile("rb") as words:
                for line in words:
                    word = decode_word(line)
                    instance.pid = word.pid or instance.pid
                    instance.exit = instance.exit if word.exit is None else word.exit
        except (OSError, LaunchError) as error:  # the end is the end, whatever was said last
            log.warning("worker.word", extra={"fields": {"camera_id": camera_id, "error": str(error)}})
        finally:
            instance.ended.set()
            self._events.put(WorkerExited(camera_id, instance.pid, instance.status))
