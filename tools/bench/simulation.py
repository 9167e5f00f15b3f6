"""Runs of the simulated unit (``hw-sim run``, all processes real) and what can be read from them afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder.evidence import jws
from tools.bench.model import MeasurementError
from tools.bench.workshop import ROOT, Workshop
from tools.bench.world_observer import Change, WorldObserver

CAMERA = {"width": 640, "height": 360, "frame_rate": 30, "bitrate_kbps": 1500}
UPLINK = {
    "journal_interval_s": 1,
    "backoff_base_s": 0.2,
    "backoff_max_s": 2,
    "connect_timeout_s": 3,
    "io_timeout_s": 5,
}
EXPECTATIONS_UNMET = 1
Look = Callable[[int], None]
"""Called twice a second while a run goes on, with the process id of ``hw-sim``."""


@dataclass(frozen=True, slots=True)
class JournalRecord:
    typ: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result``: result.json. ``records``: the unit's journal in order. ``changes``: what was done to the world, by its
    own boot-time."""

    result: dict[str, Any]
    records: tuple[JournalRecord, ...]
    changes: tuple[Change, ...]

    def of(self, *types: str) -> Iterator[JournalRecord]:
        return (record for record in self.records if record.typ in types)


def scenario(
    name: str, duration_s: float, actions: Sequence[dict[str, Any]], unit: dict[str, Any], world: dict[str, Any]
) -> str:
    """A scenario file. Nothing is expected of it but that it ran: the numbers are judged elsewhere."""
    head = {"name": name, "title_zh": name, "title_en": name, "duration_s": duration_s, "drain_s": 60}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in head.items())
    text += _table("world", world) + _table("unit", unit)
    for action in actions:
        text += "\n[[action]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in action.items())
    return text + '\n[[expect]]\nfield = "frames_repeated"\nop = "=="\nvalue = 0\n'


def _table(name: str, values: dict[str, Any]) -> str:
    scalars = {key: value for key, value in values.items() if not isinstance(value, dict)}
    text = f"\n[{name}]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in scalars.items())
    for key, value in values.items():
        if isinstance(value, dict):
            text += _table(f"{name}.{key}", value)
    return text


def unit(**capture: object) -> dict[str, Any]:
    """The unit layer of the simulated shifts: a small picture, short waits between uploads, all else as in the defaults."""
    return {
        "cameras": {"cam0": CAMERA},
        "capture": capture,
        "session": {"standby_interval_s": 2},
        "storage": {"keep_window_h": 0, "release_below_free_mb": 0},
        "uplink": UPLINK,
        "mqtt": {"status_interval_s": 2},
    }


def simulate(shop: Workshop, folder: Path, text: str, look: Look | None = None, *, observe: bool = False) -> Outcome:
    """Run a scenario and read it. Raises MeasurementError when it did not come to its end."""
    file, out, log = folder / "scenario.toml", folder / "run", folder / "hw-sim.log"
    file.write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).with_name("hw-sim")), "run", str(file), "--out", str(out), "--headless"]
    observer: WorldObserver | None = None
    pause = threading.Event()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, env=_environment()
        ) as process,
    ):
        try:
            while process.poll() is None:
                if observe and observer is None and (socket := _world_socket(out)) is not None:
                    observer = WorldObserver(socket, shop.clock)
                if look is not None:
                    look(process.pid)
                pause.wait(0.5 if not observe or observer is not None else 0.05)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)
    if process.returncode not in (0, EXPECTATIONS_UNMET):
        tail = log.read_text(errors="replace")[-1500:]
        raise MeasurementError(f"hw-sim run {file.name}: {process.returncode}\n{tail}")
    changes = observer.finish() if observer is not None else ()
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return Outcome(result, tuple(_journal(out / "unit" / "journal")), changes)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RECORDER__")}


def _world_socket(out: Path) -> Path | None:
    """From the unit's configuration, once it is there and the world serves."""
    try:
        text = (out / "config" / "unit.toml").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    found = re.search(r'^world = "([^"]+)"', text, re.MULTILINE)
    path = Path(found.group(1)) if found else None
    return path if path is not None and path.is_socket() else None


def _journal(directory: Path) -> Iterator[JournalRecord]:
    for path in sorted(directory.glob("*.jws")):
        for line in path.read_text(encoding="ascii").splitlines():
            parts = jws.split(line)
            yield JournalRecord(parts.typ, parts.payload)
