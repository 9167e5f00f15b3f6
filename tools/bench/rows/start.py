"""Row 10: ``recorder run`` from the start of its process to READY=1, with a long journal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from firmware_bridge.ports import Clock
from tools.bench.model import Limit, Line, MeasurementError, Spread
from tools.bench.pki import UNIT_ID, recipients
from tools.bench.workshop import ROOT, Row, Workshop

READY_S = 300.0
END_S = 20.0


def configuration(made: Path, run: Path) -> str:
    """A unit's layer on the bare board. JSON strings are TOML strings."""
    return "\n".join(
        (
            f'[device]\nid = "{UNIT_ID}"',
            '[board]\nmodule = "tools.bench.bare_board"',
            f"[storage]\ndata_dir = {json.dumps(str(made / 'unit'))}\nrun_dir = {json.dumps(str(run))}",
            f"[trust]\ndir = {json.dumps(str(made / 'trust'))}",
            f"[sealing]\nrecipients = {json.dumps(recipients())}",
            "",
        )
    )


def start(config: Path, run: Path, clock: Clock) -> float:
    """Seconds from the process's start to READY=1. Ends it in order. Raises MeasurementError."""
    notify = run / "notify.sock"
    notify.unlink(missing_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECORDER__")}
    environment["NOTIFY_SOCKET"] = str(notify)
    log = run / "unit.log"
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
                return _ready_s(listener, process, clock, begin_us)
            except TimeoutError as error:
                tail = log.read_text(errors="replace")[-1500:]
                raise MeasurementError(f"recorder run: 未就绪 not ready ({process.poll()})\n{tail}") from error
            finally:
                _end(process)


def _ready_s(listener: socket.socket, process: subprocess.Popen[bytes], clock: Clock, begin_us: int) -> float:
    listener.settimeout(0.5)
    while process.poll() is None and clock.boottime_us() - begin_us < READY_S * 1e6:
        try:
            words = listener.recv(65536).decode("utf-8", "replace").splitlines()
        except TimeoutError:
            continue  # look whether it still lives
        if "READY=1" in words:
            return (clock.boottime_us() - begin_us) / 1e6
    raise TimeoutError


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()


def journal(shop: Workshop, segments: int) -> Path:
    """Make the journal, or take the one made before: a minute of signing."""
    made = shop.cache / f"journal-{segments}"
    if not (made / "facts.json").exists():
        shutil.rmtree(made, ignore_errors=True)
        shop.say(f"生成日志 making a journal of {segments} segments")
        _, facts = shop.job("journal", str(made), "--segments", str(segments))
        (made / "facts.json").write_text(json.dumps(facts))
    return made


def measure(shop: Workshop) -> Sequence[Line]:
    segments, count = shop.count(10_000, 500), shop.count(7, 3)
    made = journal(shop, segments)
    facts = json.loads((made / "facts.json").read_text())
    run = Path(tempfile.mkdtemp(prefix="zfy-"))  # short: a Unix socket's path has 107 bytes at most
    try:
        config = run / "unit.toml"
        config.write_text(configuration(made, run), encoding="utf-8")
        (made / "unit" / "index.db").unlink(missing_ok=True)
        rebuilt = start(config, run, shop.clock)
        seconds = Spread.of([start(config, run, shop.clock) for _ in range(count)])
    finally:
        shutil.rmtree(run)
    return [
        Line(
            "start",
            f"启动到待机，日志中 {segments} 段",
            f"start to standby, {segments} segments in the journal",
            "s",
            seconds.median,
            seconds,
            f"{facts['records']} 条记录 records, {facts['bytes'] / 1e6:.0f} MB, {facts['files']} 文件 files",
            "",
            Limit("<=", 2.0),
            Limit("<=", 0.7),
            "从进程启动到 READY=1，含 Python 启动；页缓存已热 from exec to READY=1, Python's start included, warm cache",
        ),
        Line(
            "start",
            "同上，索引被删除后第一次启动（全部重建）",
            "the same, first start after the index was deleted (rebuilt)",
            "s",
            rebuilt,
        ),
    ]


ROW = Row("start", "启动", "start", measure)
