"""The run itself: build the units, start the agency, dock everybody, strike what the plan strikes, end everything."""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import logging
import os
import random
import shutil
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import Agency
from hw_sim.agency.front import StoreFront
from hw_sim.agency.processes import AgencyError
from hw_sim.fleet_run.host import UnitHost
from hw_sim.fleet_run.light_unit import DayBefore, UnitFolder, build
from hw_sim.fleet_run.plan import BUILD_S, FaultPlan, FleetPlan, fault_plans, unit_plans
from hw_sim.fleet_run.uplink_child import UplinkChild
from hw_sim.fleet_run.usage import UsageBook, with_children
from hw_sim.runner.unit_config import to_toml
from recorder.config.load import load_config
from recorder.config.models import RecorderConfig
from recorder.uplink.settings import settings_of

log = logging.getLogger("fleet")

TICK_S = 0.1
LOOK_S = 1.0
LINE_BURST_S = 1.0
"""How much the shaped line may make up for: a second of a run of minutes."""
RELEASE_ALL_MB = 1 << 40
"""Wanted free space no card has: every receipted segment is released at once."""


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was brought about, seconds from the start of the run. ``subject``: what it struck."""

    kind: str
    subject: str
    at_s: float
    for_s: float


@dataclass(slots=True)
class FleetRun:
    """``execute`` once. ``out`` is new or empty. Afterwards: what was measured while it ran; what was reached is judged
    from ``out`` alone (:mod:`hw_sim.fleet_run.judge`). ``load_before``: processes that wanted a core in the minute before
    the run (getloadavg(3)): the work of others on this machine."""

    plan: FleetPlan
    out: Path
    clock: Clock
    stop: threading.Event
    say: Callable[[str], None]
    limit_s: float
    objects: str = "folder:"
    struck: list[Struck] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    usage: UsageBook = field(default_factory=UsageBook)
    children: dict[str, UplinkChild] = field(default_factory=dict)
    bytes_up: int = 0
    mqtt_bytes_up: int = 0
    load_before: float = 0.0
    seconds: float = 0.0
    build_s: float = 0.0
    _begin_us: int = 0
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def agency_dir(self) -> Path:
        return self.out / "agency"

    @property
    def store_root(self) -> Path:
        return self.out / "store"

    @property
    def units_dir(self) -> Path:
        return self.out / "units"

    def execute(self) -> None:
        """Raises AgencyError when a program does not start, RuntimeError when the light units' thread has ended."""
        self.load_before = os.getloadavg()[0]
        self.units_dir.mkdir(parents=True)
        run_root = Path(tempfile.mkdtemp(prefix="zfy-fleet-"))  # 0700; short: an address holds 108 bytes
        agency = Agency(
            self.agency_dir,
            self.store_root,
            DayBefore(self.clock),
            instances=self.plan.instances,
            slots=self.plan.slots,
            options=("--objects", self.objects),
        )
        try:
            with agency:
                folders = self._build(agency, run_root)
                self._run(agency, folders)
        finally:
            shutil.rmtree(run_root, ignore_errors=True)

    # --- before ------------------------------------------------------------------------------------------------------

    def _build(self, agency: Agency, run_root: Path) -> dict[str, UnitFolder]:
        began_us = self.clock.boottime_us()
        rnd = random.Random(f"shifts {self.plan.seed}")
        folders: dict[str, UnitFolder] = {}
        # Those whose evidence is due soon last: their time runs from now on.
        units = sorted(unit_plans(self.plan), key=lambda unit: unit.due_s is not None)
        for number, unit in enumerate(units):
            start_wall_s = self.clock.wall_us() / 1e6 + (len(units) - number) * BUILD_S
            folder = UnitFolder(unit.unit_id, self.units_dir / unit.unit_id, run_root / unit.unit_id[-6:])
            build(folder, unit, self.plan, agency, start_wall_s, rnd.random())
            folders[unit.unit_id] = folder
            if self.stop.is_set():
                break
        self.build_s = (self.clock.boottime_us() - began_us) / 1e6
        self.say(f"{len(folders)} 台设备已就绪 units ready: {self.build_s:.0f} s")
        return folders

    def _config(self, agency: Agency) -> RecorderConfig:
        """One for all: what differs between units is given to the uplink and custody directly."""
        values = {
            "storage": {"keep_window_h": 0, "release_below_free_mb": RELEASE_ALL_MB},
            "sealing": {"recipients": list(agency.recipients)},
            "trust": {"require_lock": False},  # a plain folder promises no lock, and its receipts say so
            "uplink": {"store_url": agency.store_url},
            "mqtt": {"host": agency.mqtt_host, "port": agency.mqtt_port},
        }
        path = self.out / "unit.toml"
        path.write_text(to_toml(values), encoding="utf-8")
        loaded = load_config([path], {})
        if loaded.errors:
            raise AgencyError("\n".join(loaded.errors))
        return loaded.config

    def _child(self, folder: UnitFolder, config: RecorderConfig) -> UplinkChild:
        settings = dataclasses.replace(
            settings_of(config, {}),
            unit_id=folder.unit_id,
            data_dir=str(folder.data),
            run_dir=str(folder.run),
            trust_dir=str(folder.trust),
            tls_dir=str(folder.tls),
        )
        return UplinkChild(settings, folder.root / "uplink.log")

    # --- meanwhile ---------------------------------------------------------------------------------------------------

    def _run(self, agency: Agency, folders: dict[str, UnitFolder]) -> None:
        config = self._config(agency)
        if self.plan.line_rate:
            agency.store_proxy.slow(self.plan.line_rate, LINE_BURST_S)
        self.children = {unit_id: self._child(folder, config) for unit_id, folder in folders.items()}
        host = UnitHost(config, self.clock)
        self._begin_us = self.clock.boottime_us()
        for unit in unit_plans(self.plan):
            if unit.unit_id in folders:
                self._at(unit.docks_s, partial(self._dock, folders[unit.unit_id], host))
        for fault in fault_plans(self.plan):
            self._at(fault.at_s, partial(self._strike, fault, agency))
        host.start()
        try:
            self._loop(agency, host, folders)
        finally:
            for child in self.children.values():
                child.kill()
            host.close()
            self.seconds = self._now_s()
            self.bytes_up = agency.store_proxy.bytes_up
            self.mqtt_bytes_up = agency.mqtt_proxy.bytes_up
        if host.error is not None:
            raise RuntimeError(f"设备线程已结束 the units' thread has ended: {host.error}") from host.error

    def _loop(self, agency: Agency, host: UnitHost, folders: dict[str, UnitFolder]) -> None:
        left = set(folders)
        next_look_s = 0.0
        while (left or self._due) and not self.stop.is_set() and host.error is None and self._now_s() < self.limit_s:
            while self._due and self._due[0][0] <= self._now_s():
                heapq.heappop(self._due)[2]()
            if self._now_s() >= next_look_s:
                next_look_s = self._now_s() + LOOK_S
                self._look(agency)
                for unit_id in sorted(left):
                    if self._finished(unit_id, host):
                        self.children[unit_id].end()
                        host.undock(folders[unit_id])
                        left.discard(unit_id)
            self.stop.wait(TICK_S)
        self._look(agency)
        self.unfinished = sorted(left)

    def _finished(self, unit_id: str, host: UnitHost) -> bool:
        child, head = self.children[unit_id], host.head_seq(unit_id)
        child.look()
        return head is not None and child.has_posted(head)

    def _now_s(self) -> float:
        return (self.clock.boottime_us() - self._begin_us) / 1e6

    def _at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (at_s, next(self._numbers), act))

    def _dock(self, folder: UnitFolder, host: UnitHost) -> None:
        folder.run.mkdir(parents=True, exist_ok=True)
        host.dock(folder)
        self._plug_in(folder, host)

    def _plug_in(self, folder: UnitFolder, host: UnitHost) -> None:
        """The line comes with the dock, not before the unit has noticed it: waits are counted from its boot record."""
        if folder.unit_id in host.docked:
            self.children[folder.unit_id].start()
        else:
            self._at(self._now_s() + TICK_S, partial(self._plug_in, folder, host))

    def _look(self, agency: Agency) -> None:
        self.usage.look("mosquitto", with_children(agency.broker.pid))
        front = _front(agency)
        self.usage.look("nginx", with_children(front.nginx_pid))
        for number in range(front.count):
            pid = front.instance(number).pid
            self.usage.look("ingest", [] if pid is None else [pid])

    # --- faults ------------------------------------------------------------------------------------------------------

    def _strike(self, fault: FaultPlan, agency: Agency) -> None:
        """Does it now and plans its end."""
        subject = fault.kind.partition("-")[2]
        front, line = _front(agency), agency.store_proxy
        match fault.kind:
            case "kill-ingest":
                number = min(front.count - 1, int(fault.pick * front.count))
                subject = f"ingest-{number}"
                front.instance(number).kill()
                self._at(self._now_s() + fault.for_s, front.instance(number).start)
            case "kill-broker":
                agency.kill_broker()
                self._at(self._now_s() + fault.for_s, agency.start_broker)
            case "kill-unit":
                alive = [unit_id for unit_id, child in self.children.items() if child.pid is not None]
                if not alive:
                    # Everybody is done or nobody is there yet: a moment later, while there is anything to strike.
                    if any(not child.starts for child in self.children.values()):
                        self._at(self._now_s() + 1.0, partial(self._strike, fault, agency))
                    return
                subject = alive[min(len(alive) - 1, int(fault.pick * len(alive)))]
                self.children[subject].kill()
                self._at(self._now_s() + fault.for_s, self.children[subject].start)
            case "stall-line":
                line.mode("stall")
                self._at(self._now_s() + fault.for_s, partial(line.mode, "ok"))
            case "reset-line":
                line.reset()
        self.struck.append(Struck(fault.kind, subject, round(self._now_s(), 2), fault.for_s))


def _front(agency: Agency) -> StoreFront:
    store = agency.store
    assert isinstance(store, StoreFront), "a fleet meets several instances"
    return store
