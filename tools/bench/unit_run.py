"""One ``recorder run`` on a bench board, started and ended as systemd would."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from tools.bench.identity import UNIT_ID, recipients
from tools.bench.model import MeasurementError
from tools.bench.workshop import ROOT

READY_S = 300.0
END_S = 30.0


@dataclass(frozen=True, slots=True)
class Running:
    """``ready_s``: seconds from the process's start to READY=1."""

    pid: int
    ready_s: float


def configuration(
    data_dir: Path, trust: Path, run: Path, board: str, options: Mapping[str, str], **capture: float
) -> str:
    """A unit's layer. JSON strings and numbers are TOML's."""
    sections: dict[str, Mapping[str, object]] = {
        "device": {"id": UNIT_ID},
        "board": {"module": board},
        "board.options": dict(options),
        "storage": {"data_dir": str(data_dir), "run_dir": str(run)},
        "trust": {"dir": str(trust)},
        "sealing": {"recipients": recipients()},
        "capture": capture,
    }
    text = ""
    for name, values in sections.items():
        text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()) + "\n"
    return text


@contextmanager
def short_folder() -> Iterator[Path]:
    """For sockets: a Unix socket's path has 107 bytes at most."""
    path = Path(tempfile.mkdtemp(prefix="zfy-"))
    try:
        yield path
    finally:
        shutil.rmtree(path)


@contextmanager
def running(config: Path, run: Path, clock: Clock) -> Iterator[Running]:
    """``recorder run``, ready; ended with SIGTERM. Raises MeasurementError when it does not become ready."""
    notify, log = run / "notify.sock", run / "unit.log"
    notify.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECORDER__")}
    environment["NOTIFY_SOCKET"] = str(notify)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, log.open("wb") as output:
        listener.bind(str(notify))
        begin_us = clock.boottime_us()
        with subprocess.Popen(
            [sys.executable, "-m", "recorder", "run", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=ROOT,
        ) as process:
            try:
                if not _ready(listener, process, clock, begin_us):
                    tail = log.read_text(errors="replace")[-1500:]
                    raise MeasurementError(f"recorder run: 未就绪 not ready ({process.poll()})\n{tail}")
                yield Running(process.pid, (clock.boottime_us() - begin_us) / 1e6)
            finally:
                _end(process)


def _ready(listener: socket.socket, process: subprocess.Popen[bytes], clock: Clock, begin_us: int) -> bool:
    listener.settimeout(0.5)
    while process.poll() is None and clock.boottime_us() - begin_us < READY_S * 1e6:
        try:
            words = listener.recv(65536).decode("utf-8", "replace").splitlines()
        except TimeoutError:
            continue  # look whether it still lives
        if "READY=1" in words:
            return True
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
