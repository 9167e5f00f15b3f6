"""Who starts a capture worker: a seam. A child process here; on a unit a systemd instance under its own user."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from recorder.unit.events import UnitEvent, WorkerExited


class WorkerLauncher(Protocol):
    def launch(self, camera_id: str, socket_path: Path) -> None:
        """Start the worker of ``camera_id``; its end is reported as WorkerExited. Raises OSError."""

    def kill(self, camera_id: str) -> None:
        """SIGKILL, at once. Its end is reported as WorkerExited."""

    def pid(self, camera_id: str) -> int | None: ...

    def close(self, timeout_s: float) -> None:
        """Wait for workers that are ending; kill what is left."""


class ChildProcessLauncher:
    """Workers as children of the unit process, each watched by a thread."""

    def __init__(
        self,
        config_files: Sequence[Path],
        events: queue.Queue[UnitEvent],
        program: Sequence[str] = (sys.executable, "-m", "recorder"),
    ) -> None:
        self._program = tuple(program)
        self._config_files = tuple(config_files)
        self._events = events
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def launch(self, camera_id: str, socket_path: Path) -> None:
        command = [*self._program, "capture-worker", "--camera", camera_id]
        command += ["--socket", str(socket_path)]
        for path in self._config_files:
            command += ["--config", str(path)]
        # In a process group of its own: Ctrl-C in a terminal is for the unit process, which ends its workers in order.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
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
        for child in self._children.values():
            try:
                child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(10)

    def _watch(self, camera_id: str, child: subprocess.Popen[bytes]) -> None:
        status = child.wait()
        self._events.put(WorkerExited(camera_id, child.pid, status))
