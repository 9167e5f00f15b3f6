"""The uplink as a child process of a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from recorder.uplink.settings import UplinkSettings

ROOT = Path(__file__).parents[2]


class UplinkProcess:
    def __init__(self, settings: UplinkSettings, clock: Clock, log: Path) -> None:
        self.settings, self._clock, self.log = settings, clock, log
        self._child: subprocess.Popen[bytes] | None = None
        self.environment: dict[str, str] = {}
        self.environment_without: tuple[str, ...] = ()
        self.command: tuple[str, ...] = (sys.executable, "-W", "error", "-m", "recorder.uplink.process")

    @property
    def child(self) -> subprocess.Popen[bytes]:
        assert self._child is not None
        return self._child

    def start(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in self.environment_without}
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=ROOT,
                env={**environment, **self.environment},
            )
        assert self._child.stdin is not None
        self._child.stdin.write(self.settings.to_json().encode())
        self._child.stdin.close()

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait(10)

    def terminate(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(10)

    def status(self) -> dict[str, Any]:
        try:
            value = json.loads(self.settings.status_file.read_text())
        except FileNotFoundError:
            return {}
        assert isinstance(value, dict)
        return value

    def codes(self) -> set[str]:
        return {entry["code"] for entry in self.status().get("last_errors", [])}

    def until(self, what: Callable[[], bool], timeout_s: float = 30.0) -> None:
        tick = threading.Event()
        deadline = self._clock.boottime_us() + round(timeout_s * 1e6)
        while not what():
            assert self._clock.boottime_us() < deadline, (self.status(), self.log.read_text()[-3000:])
            assert self.child.poll() is None, self.log.read_text()[-3000:]
            tick.wait(0.02)

    def rss_mb(self) -> float:
        text = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6

    def receipts(self) -> int:
        return len([path for path in self.settings.receipts_dir.glob("*.jws") if path.read_bytes() != b""])
