"""One real uplink process, ``recorder.uplink.process``, started, killed, watched and ended from here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from recorder.uplink.settings import UplinkSettings

END_S = 15.0


class UplinkChild:
    """``peak_kb``: highest resident size of any of its lives. ``starts``: how often it was started."""

    def __init__(self, settings: UplinkSettings, log: Path) -> None:
        self.settings = settings
        self.starts = 0
        self.peak_kb = 0
        self.sent = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def start(self) -> None:
        self.starts += 1
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "recorder.uplink.process"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(self.settings.to_json().encode())
        self._process.stdin.close()

    def status(self) -> dict[str, Any]:
        """What this life of it says in its status file; empty before it has."""
        try:
            value = json.loads(self.settings.status_file.read_text())
        except FileNotFoundError:
            return {}
        return value if isinstance(value, dict) and value.get("pid") == self.pid is not None else {}

    def has_posted(self, seq: int) -> bool:
        """Nothing is left: segments, journal up to ``seq``, announcements."""
        status = self.status()
        return bool(
            status
            and not status["backlog"]["segments"]
            and (status["posted_seq"] or 0) >= seq
            and not status["mqtt_unacknowledged"]
        )

    def look(self) -> None:
        """Note the resident peak of a life that may end any moment."""
        pid = self.pid
        if pid is None:
            return
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return
        line = next((line for line in text.splitlines() if line.startswith("VmHWM:")), None)
        self.peak_kb = max(self.peak_kb, int(line.split()[1]) if line else 0)

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does."""
        self.look()
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_S)

    def end(self) -> int | None:
        """SIGTERM; its exit status. What does not hear it is killed."""
        self.look()
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait(END_S)
