"""The unit's own processes, as systemd would run them: started, waited for by their READY=1, killed without mercy."""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock


class ProcessError(Exception):
    """A process did not start or did not end as it should; the message names it and its log."""


class NotifySocket:
    """The receiving end of sd_notify(3): how a run knows that the unit is ready, without polling."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)

    def wait_for(self, word: str, clock: Clock, timeout_s: float, process: subprocess.Popen[bytes]) -> bool:
        """True when ``word`` (e.g. ``READY=1``) arrived; False at the time-out or when the process ended."""
        deadline = clock.boottime_us() + round(timeout_s * 1e6)
        while (left := deadline - clock.boottime_us()) > 0:
            if process.poll() is not None:
                return False
            if self._selector.select(min(left / 1e6, 0.2)):
                lines = self._socket.recv(65536).decode("utf-8", "replace").splitlines()
                if word in lines:
                    return True
        return False

    def drain(self) -> None:
        while self._selector.select(0):
            self._socket.recv(65536)

    def close(self) -> None:
        self._selector.close()
        self._socket.close()


class UnitProcesses:
    """`recorder run` and `recorder uplink` of one simulated unit."""

    def __init__(self, config: Path, run_dir: Path, logs: Path, notify: NotifySocket, clock: Clock) -> None:
        self._config = config
        self._run_dir = run_dir
        self._logs = logs
        self._notify = notify
        self._clock = clock
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_unit(self, timeout_s: float = 30.0) -> None:
        self._notify.drain()
        process = self._start("unit", ["run"], {"NOTIFY_SOCKET": str(self._notify.path)})
        if not self._notify.wait_for("READY=1", self._clock, timeout_s, process):
            log = self._logs / "unit.log"
            raise ProcessError(f"记录单元没有就绪 the unit did not become ready: {log}\n{tail(log)}")

    def start_uplink(self) -> None:
        self._start("uplink", ["uplink"], {})

    def _start(self, name: str, arguments: list[str], extra: dict[str, str]) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RECORDER__")}
        environment.pop("NOTIFY_SOCKET", None)
        environment.update(extra)
        with (self._logs / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "recorder", *arguments, "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def control(self, *arguments: str) -> None:
        """`recorder ctl …`, as an officer's docking station would. Raises ProcessError when it is refused."""
        recorder_command("ctl", *arguments, "--config", str(self._config))

    def status(self) -> dict[str, Any]:
        """The unit's status.json; empty while there is none. Written atomically, so never half a file."""
        try:
            status = json.loads((self._run_dir / "status.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return status if isinstance(status, dict) else {}

    def worker_pids(self) -> list[int]:
        """Capture workers: the children of the unit process, from /proc (status.json may be a second old)."""
        unit = self._processes.get("unit")
        if unit is None or unit.poll() is not None:
            return []
        children = Path(f"/proc/{unit.pid}/task").glob("*/children")
        pids: set[int] = set()
        for path in children:
            try:
                pids.update(int(pid) for pid in path.read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                continue  # that thread just ended: its children belong to another one
        return sorted(pids)

    def pid(self, name: str) -> int:
        """Of ``unit`` or ``uplink``. KeyError when it was never started."""
        return self._processes[name].pid

    def is_running(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and process.poll() is None

    def kill(self, name: str) -> None:
        """SIGKILL of ``unit``, ``uplink`` or all ``worker`` processes; returns when they are gone."""
        if name == "worker":
            for pid in self.worker_pids():
                _kill_pid(pid)
            return
        process = self._processes.get(name)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait(10)

    def hang_up(self, name: str) -> None:
        """SIGHUP: the configuration is read again, as ``systemctl reload`` does."""
        self._processes[name].send_signal(signal.SIGHUP)

    def power_cut(self) -> None:
        """SIGKILL of everything at once. Keeps the page cache: it proves order, not durability (design §9)."""
        pids = self.worker_pids()
        for process in self._processes.values():
            if process.poll() is None:
                process.kill()
        for pid in pids:
            _kill_pid(pid)
        for process in self._processes.values():
            process.wait(10)

    def stop(self, name: str, timeout_s: float = 20.0) -> int:
        """SIGTERM and wait; SIGKILL and an error when it does not end."""
        process = self._processes.get(name)
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise ProcessError(f"{name}: 未能按时结束 did not end within {timeout_s:.0f} s") from None

    def abandon(self) -> None:
        """Last resort at the end of a failed run: nothing of ours may stay behind."""
        self.power_cut()


def recorder_command(*arguments: str) -> str:
    """``recorder …`` to its end, and what it printed. Raises ProcessError with its reason."""
    # In a session of its own: Ctrl-C in a terminal is for this process, which ends everything in order.
    done = subprocess.run(
        [sys.executable, "-m", "recorder", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        raise ProcessError(f"recorder {' '.join(arguments[:2])}: {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def tail(log: Path, lines: int = 12) -> str:
    """The end of a log, for a person who wants to know why."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(f"    {line[:400]}" for line in text.splitlines()[-lines:])


def _kill_pid(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
