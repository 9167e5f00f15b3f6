"""Child processes of the agency: wait until they are ready, end them, say what their log said when they did not start."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.ports import Clock

POLL_S = 0.02


class AgencyError(Exception):
    """A server of the agency did not start; the message names it and the end of its log."""


def free_port() -> int:
    """A TCP port nobody listens on right now. Another process may take it first: whoever uses it retries."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True


def wait_until(
    ready: Callable[[], bool], process: subprocess.Popen[bytes], clock: Clock, timeout_s: float, name: str, log: Path
) -> None:
    """Raises AgencyError when ``process`` ends first or is not ready in time."""
    deadline = clock.boottime_us() + round(timeout_s * 1e6)
    pause = threading.Event()
    while not ready():
        if process.poll() is not None:
            raise AgencyError(f"{name}: 启动失败 ended with {process.returncode}\n{tail(log)}")
        if clock.boottime_us() >= deadline:
            process.kill()
            process.wait()
            raise AgencyError(f"{name}: {timeout_s:g} 秒内未就绪 not ready in time\n{tail(log)}")
        pause.wait(POLL_S)


def tail(log: Path, size: int = 2000) -> str:
    try:
        return log.read_bytes()[-size:].decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def stop(process: subprocess.Popen[bytes] | None, timeout_s: float = 10.0) -> int | None:
    """SIGTERM, then SIGKILL when that is not heard. The exit status; None when there was no process."""
    if process is None:
        return None
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait(timeout_s)


def kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.kill()
        process.wait(10)
