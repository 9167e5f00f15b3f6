"""One simulated unit with its real processes, for tests that look at more than a scenario can say."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.agency.authority import Authority
from hw_sim.runner.journal_view import JournalView, lines, view
from hw_sim.runner.layout import Layout, prepare
from hw_sim.runner.unit_config import AgencyAddresses, write_unit_config
from hw_sim.runner.unit_processes import NotifySocket, UnitProcesses
from hw_sim.world import World
from recorder.evidence import jws
from recorder.evidence.verify.command import verify_for_simulator

SMALL: dict[str, Any] = {
    "cameras": {"cam0": {"width": 320, "height": 180, "frame_rate": 15, "bitrate_kbps": 500}},
    "capture": {"segment_s": 3, "pre_event_s": 0},
    "session": {"standby_interval_s": 1},
    "storage": {"keep_window_h": 0, "release_below_free_mb": 0},
    "uplink": {
        "journal_interval_s": 0.5,
        "backoff_base_s": 0.1,
        "backoff_max_s": 1,
        "connect_timeout_s": 2,
        "io_timeout_s": 5,
    },
    "mqtt": {"status_interval_s": 1},
}
"""A unit two of whom run beside each other on a small machine."""

WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class PaperAgency:
    """An agency that exists as keys only: no store, no broker, no network."""

    recipients: tuple[str, ...] = ()
    store_url: str = ""
    mqtt_host: str = ""
    mqtt_port: int = 8883


def paper_agency(directory: Path) -> tuple[PaperAgency, Authority]:
    authority = Authority(directory, SystemClock())
    return PaperAgency(authority.recipients), authority


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Later layers win, table by table."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            result[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return result


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
    """Look until it holds; a failure says what was waited for."""
    clock, pause = SystemClock(), threading.Event()
    deadline = clock.boottime_us() + round(timeout_s * 1e6)
    while not condition():
        assert clock.boottime_us() < deadline, f"not within {timeout_s:.0f} s: {what}"
        pause.wait(0.05)


def recorder(*arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """``recorder …`` to its end."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RECORDER__")}
    return subprocess.run(
        [sys.executable, "-m", "recorder", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment, "LANG": "en_US.UTF-8", "LC_ALL": "", **(env or {})},
    )


class Rig:
    """Context manager. The world lives as long as the rig, the unit from :meth:`start` to :meth:`stop`."""

    def __init__(
        self,
        out: Path,
        agency: AgencyAddresses,
        overrides: Mapping[str, Any] | None = None,
        *,
        unit_id: str = "zfy-000001",
        world: Mapping[str, Any] | None = None,
    ) -> None:
        self.layout: Layout = prepare(out)
        self.unit_id = unit_id
        self.config = write_unit_config(self.layout, unit_id, merged(SMALL, overrides or {}), agency)
        self.world = World({"seed": 1, "lux": 200.0, **(world or {})}, self.layout.world_socket)
        self.notify = NotifySocket(self.layout.notify_socket)
        self.unit = UnitProcesses(self.config, self.layout.run, self.layout.logs, self.notify, SystemClock())

    def __enter__(self) -> Rig:
        self.world.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unit.abandon()
        self.world.close()
        self.notify.close()
        shutil.rmtree(self.layout.run, ignore_errors=True)

    def enrol(self, agency: Agency) -> None:
        """The real enrolment against a running agency; publishes its trust folder."""
        agency.publish_trust(self.layout.trust, self.layout.identity)
        bundle = self.layout.config / "enrolment"
        for step in ("request", "install"):
            if step == "install":
                agency.answer_enrolment(self.unit_id, bundle)
            done = recorder("enrol", step, str(bundle), "--config", str(self.config))
            assert done.returncode == 0, done.stderr

    # --- the officer ---

    def start(self) -> None:
        """The unit process up and its cameras delivering. What an earlier process said of itself is forgotten first."""
        (self.layout.run / "status.json").unlink(missing_ok=True)
        self.unit.start_unit()
        self.wait(lambda: self.ready(), "every camera ready")

    def ready(self) -> bool:
        cameras = self.unit.status().get("cameras", {})
        return bool(cameras) and all(camera["ready"] for camera in cameras.values())

    def stop(self) -> int:
        return self.unit.stop("unit")

    def ctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return recorder("ctl", *arguments, "--config", str(self.config))

    def record(self) -> None:
        """Start by command and wait until media of every camera is signed."""
        before = len(self.view().segments)
        done = self.ctl("start")
        assert done.returncode == 0, done.stderr
        cameras = len(self.unit.status()["cameras"])
        self.wait(lambda: self.signed(before) >= cameras, "media of every camera is signed")

    def signed(self, after: int = 0) -> int:
        """Segments with two entries or more (the first holds no media) beyond the first ``after``."""
        segments = list(self.view().segments.values())[after:]
        return sum(segment.entries >= 2 for segment in segments)

    def end_recording(self) -> None:
        done = self.ctl("stop")
        assert done.returncode == 0, done.stderr
        self.wait(lambda: not self.unit.status().get("recording", True), "the recording has ended")

    # --- looking ---

    def wait(self, condition: Callable[[], bool], what: str, timeout_s: float = WAIT_S) -> None:
        try:
            wait_until(condition, what, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log('unit')[-3000:]}") from None

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for line in lines(self.layout.unit / "journal"):
            parts = jws.split(line)
            yield parts.typ, parts.payload

    def of(self, typ: str) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.records() if kind == typ]

    def view(self) -> JournalView:
        return view(self.layout.unit / "journal")

    def log(self, name: str) -> str:
        path = self.layout.logs / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def verify(self, trust: Path | None = None, identity: Path | None = None) -> dict[str, Any]:
        return verify_for_simulator(self.layout.unit, trust or self.layout.trust, identity, None)

    def segment_files(self) -> list[Path]:
        return sorted((self.layout.unit / "segments").glob("*/*.mp4*"))


def everything_below(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Every regular file with its content."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path, path.read_bytes()


def parsed(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer
