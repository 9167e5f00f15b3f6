"""What systemd does with ``recorder-capture.socket`` (``Accept=yes``): for each connection it starts the program with the
connection as standard input, and keeps its own end of it as long as the process lives."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from recorder.capture import activated

WORKER = (sys.executable, "-m", activated.MODULE)


class SocketActivator:
    """``started``: every process, oldest first."""

    def __init__(
        self,
        path: Path,
        command: Sequence[str] = WORKER,
        environment: Mapping[str, str] | None = None,
        umask: int = -1,
    ) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self._command = list(command)
        self._umask = umask
        self._environment = {**os.environ, **(environment or {})}
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._server.bind(str(path))
        self._server.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for child in self.started:
            child.kill()
            child.wait(10)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            child = subprocess.Popen(self._command, stdin=connection.fileno(), env=self._environment, umask=self._umask)
            self.started.append(child)
            threading.Thread(target=self._hold, args=(child, connection), daemon=True).start()

    @staticmethod
    def _hold(child: subprocess.Popen[bytes], connection: socket.socket) -> None:
        with connection:
            child.wait()
