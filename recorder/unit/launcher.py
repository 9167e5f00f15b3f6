"""Who starts a capture worker: a seam. A child process here; on a unit a systemd instance (``systemd_launcher``)."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from firmware_bridge.ports import Clock
from recorder.lean import module_command, settings_file
from recorder.unit.events import UnitEvent, WorkerExited

log = logging.getLogger("recorder.unit")

CHILD_UMASK = 0o027
KILLED_S = 2.0
"""How long a killed worker may take to end. What outlives it hangs in the kernel, and no waiting cures that."""


class WorkerLauncher(Protocol):
    def configure(self, config: bytes) -> None:
        """What workers get that are launched from now on (``config.load.canonical``)."""

    def launch(self, camera_id: str, socket_path: Path) -> None:
        """Start the worker of ``camera_id``; its end is reported as WorkerExited. Raises OSError."""

    def kill(self, camera_id: str) -> None:
        """SIGKILL, at once. Its end is reported as WorkerExited."""

    def pid(self, camera_id: str) -> int | None: ...

    def close(self, timeout_s: float) -> None:
        """Wait for workers that are ending; kill what is left. All of them share ``timeout_s`` (and then ``KILLED_S``): the
        service manager gives the unit process only so long, however many cameras it has."""


class ChildProcessLauncher:
    """Workers as children of the unit process, each watched by a thread.

    ``config`` is the configuration in force as JSON (``config.load.canonical``), the one whose digest is signed: a worker
    that read the files itself would take up, at its next start, what nobody has validated or recorded.
    """

    def __init__(
        self,
        config: bytes,
        events: queue.Queue[UnitEvent],
        clock: Clock,
        program: Sequence[str] = tuple(module_command("recorder.capture.process")),
    ) -> None:
        self._program = tuple(program)
        self._config = config
        self._events = events
        self._clock = clock
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def configure(self, config: bytes) -> None:
        self._config = config

    def launch(self, camera_id: str, socket_path: Path) -> None:
        command = [*self._program, camera_id, str(socket_path)]
        fd = settings_file(self._config)
        # In a process group of its own: Ctrl-C in a terminal is for the unit process, which ends its workers in order.
        try:
            child = subprocess.Popen(command, stdin=fd, process_group=0, umask=CHILD_UMASK)
        finally:
            os.close(fd)
        self._children[camera_id] = child
        threading.Thread(target=self._watch, args=(camera_id, child), name=f"wait-{camera_id}", daemon=True).start()

    def kill(self, camera_id: str) -> None:
        child = self._children.get(camera_id)
        if child is not None and child.poll() is None:
            child.kill()

    def pid(self, camera_id: str) -> int | None:
        child = self._children.get(camera_id)
        return child.pid if child is not None and child.returncode is None else None

    def close(self, timeout_s: float) -> None:
        self._wait(timeout_s)
        for camera_id in self._children:
            self.kill(camera_id)
        self._wait(KILLED_S)
        for camera_id, child in self._children.items():
            if child.returncode is None:
                log.error("worker.outlived", extra={"fields": {"camera_id": camera_id}})

    def _wait(self, timeout_s: float) -> None:
        deadline_us = self._clock.boottime_us() + round(timeout_s * 1e6)
        for child in self._children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(max(0.0, (deadline_us - self._clock.boottime_us()) / 1e6))

    def _watch(self, camera_id: str, child: subprocess.Popen[bytes]) -> None:
        status = child.wait()
        self._events.put(WorkerExited(camera_id, child.pid, status))
