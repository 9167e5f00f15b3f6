"""One shift: the parts put together, the plan carried out, and at its end power, peace and an orderly end of duty."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from uuid import UUID

from hw_sim.deterministic.board import Readings
from hw_sim.deterministic.camera import Camera
from hw_sim.deterministic.channel import Line
from hw_sim.deterministic.clocks import BOOT_US, TrueClock, UnitClock
from hw_sim.deterministic.desk import Desk, command_keys
from hw_sim.deterministic.disk import PowerCut, ProcessKilled, SimulatedDisk, Strike, Watcher
from hw_sim.deterministic.network import Network
from hw_sim.deterministic.officer import Officer
from hw_sim.deterministic.plan import Plan
from hw_sim.deterministic.signing import UNIT_ID, agency
from hw_sim.deterministic.store import SimulatedStore
from hw_sim.deterministic.timeline import SECOND, Timeline
from hw_sim.deterministic.trace import Out, Trace
from hw_sim.deterministic.troubles import Troubles
from hw_sim.deterministic.truth import Boot, Loss, Truth
from hw_sim.deterministic.unit import Making, Surroundings, UnitLife
from hw_sim.deterministic.uplink import SimulatedUplink
from hw_sim.deterministic.watchdog import SimulatedWatchdog
from hw_sim.deterministic.worker import SimulatedWorker, WorkerSettings
from recorder.capture.segment_writer import SealerFactory
from recorder.config.load import load_config
from recorder.config.models import RecorderConfig
from recorder.evidence.age import AgeEncryptor
from recorder.evidence.files import Files
from recorder.evidence.journal import JournalError
from recorder.unit.events import ControlRequest, Shutdown
from recorder.units import MB

TICK_US = 550_000
"""A turn of the unit process when nothing happens: each costs, and workers' reports come each half second."""
RESTART_US = (300_000, 2_500_000)
DRAIN_US = 120 * SECOND
SETTLE_US = 25 * SECOND
PROGRESS_US = 10 * SECOND
"""A worker with durable media so young makes progress."""

CATCH_UP_US = 15 * SECOND
"""After a card that was slow or refused, the unit process is behind for so long at most."""

KNOWN_US = 3 * SECOND
"""A worker records so long before its unit process knows, and feeds the watchdog again."""


@dataclass(frozen=True, slots=True)
class Bugs:
    """What a test plants. The defaults are the recorder's own."""

    making: Making = field(default_factory=Making)
    sealer: SealerFactory = AgeEncryptor
    worker_files: Callable[[Files], Files] = lambda files: files


@cache
def _defaults() -> RecorderConfig:
    return load_config([], {}).config


def _configuration(plan: Plan, folder: Path) -> RecorderConfig:
    values = _defaults().model_dump()
    camera = values["cameras"]["cam0"]
    keep_h, below_mb = (0.005, plan.capacity // 1_000_000) if plan.releases else (72.0, 0)
    for section, changes in {
        "device": {"id": UNIT_ID},
        "storage": {
            "data_dir": str(folder / "unit"),
            "run_dir": str(folder / "run"),
            "keep_window_h": keep_h,
            "release_below_free_mb": below_mb,
            "reserve_mb": 16,
        },
        "cameras": {name: dict(camera) for name in plan.cameras},
        "capture": {"segment_s": plan.segment_us / 1e6, "post_event_s": plan.post_event_us / 1e6},
        "sealing": {"enabled": plan.sealed, "recipients": agency().recipients},
        "signing": {
            "head_interval_s": plan.head_interval_us / 1e6,
            "checkpoint_records": plan.checkpoint_records,
        },
        # So soon that the troubles of a shift reach it: 15 s later the board is reset.
        "watchdog": {"reset_after_s": 20, "min_uptime_s": 60} if plan.impatient_watchdog else {},
        "session": {"standby_interval_s": plan.standby_interval_us / 1e6},
        "trust": {"dir": str(folder / "trust") if plan.real_signer else str(folder / "no-trust")},
        "uplink": {"store_url": "https://store.invalid", "backoff_max_s": 20, "journal_interval_s": 10},
    }.items():
        values[section] |= changes
    values["cameras"] = {name: values["cameras"][name] for name in plan.cameras}
    return RecorderConfig.model_validate(values)


class Shift:
    """``folder``: a new, empty one; what the shift leaves lies there: ``unit/`` and, when asked for, ``store/``."""

    tick_us = TICK_US

    def __init__(self, plan: Plan, folder: Path, bugs: Bugs | None = None, out: Out | None = None) -> None:
        self.plan = plan
        self.folder = folder
        self.bugs = bugs or Bugs()
        self.timeline = Timeline()
        self.trace = Trace(self.timeline, out)
        self.truth = Truth()
        self.rnd = random.Random(f"shift {plan.seed}")
        self.config = self.configuration(plan, folder)
        self.data_dir, self.run_dir = folder / "unit", folder / "run"
        for path in (self.data_dir, self.run_dir):
            path.mkdir(parents=True)
        self.disk = SimulatedDisk(self.data_dir, self.run_dir, self.rnd, plan.capacity)
        self.disk.watcher = Watcher(self._removed, self._truncated)
        self._provision()
        device, store = agency().signers(real=plan.real_signer)
        self._signer = device
        self.store = SimulatedStore(UNIT_ID, agency().ca, store, TrueClock(self.timeline), self.rnd)
        self.network = Network(self.rnd, self.store)
        self.cameras = {name: Camera(name) for name in plan.cameras}
        self.readings = Readings()
        self.officer = Officer(
            self.timeline, self.rnd, self.truth, self.trace, lambda: self.unit, self._hear, self._card_is_well
        )
        self.desk = Desk(
            self.timeline,
            random.Random(f"desk {plan.seed}"),
            self.trace,
            lambda: self.unit,
            TrueClock(self.timeline).wall_us,
            UNIT_ID,
        )
        self._card_ill_us = -CATCH_UP_US
        self.troubles = Troubles(self)
        self.clock: UnitClock | None = None
        self.watchdog = SimulatedWatchdog(self.timeline, self._reset_by_watchdog)
        self.unit: UnitLife | None = None
        self.uplink: SimulatedUplink | None = None
        self.workers: dict[str, SimulatedWorker] = {}
        self.wall_offset_us = plan.wall_offset_us
        self._ids = random.Random(f"ids {plan.seed}")
        self._boots = 0
        self._powered_since: int | None = None
        self._running_since: int | None = None
        self._planned_turn: int | None = None
        self._unit_busy_us = 0
        self._kill: Strike | None = None
        self._left_open = False
        self._mark: int | None = None
        """``durable_seq`` of the status file, which a power cut takes away."""
        self._boot_again_us: tuple[int, int] = (2 * SECOND, 60 * SECOND)

    def configuration(self, plan: Plan, folder: Path) -> RecorderConfig:
        return _configuration(plan, folder)

    def _provision(self) -> None:
        """What enrolment leaves on the unit and everybody may see."""
        keys, trust = self.data_dir / "keys", self.folder / "trust"
        keys.mkdir()
        (keys / "device-key.pem").write_bytes(agency().device_key_pem)
        trust.mkdir()
        from cryptography.hazmat.primitives.serialization import Encoding

        (trust / "agency-ca.pem").write_bytes(agency().ca.public_bytes(Encoding.PEM))
        (trust / "store-key.pem").write_bytes(agency().store_public_pem)
        command_pem = command_keys()[0].public_key().pem()
        (trust / "command-key.pem").write_bytes(command_pem)  # a court checks with it, whatever this unit was given
        pinned = Path(self.config.trust.dir)
        pinned.mkdir(exist_ok=True)
        (pinned / "command-key.pem").write_bytes(command_pem)

    def new_id(self) -> str:
        return str(UUID(int=self._ids.getrandbits(128), version=4))

    # --- the course of the shift -------------------------------------------------------------------------------------

    def run(self) -> None:
        """From power on to the end of duty, everything uploaded that can be."""
        self.power_on()
        self.officer.begin()
        if self.plan.commands:
            self.desk.begin()
        for trouble in self.plan.troubles:
            self.timeline.at(trouble.at_us, lambda trouble=trouble: self.troubles.begin(trouble))  # type: ignore[misc]
        self._run_until(self.plan.duration_us)
        self._make_peace()
        self._run_until(self.timeline.now_us + SETTLE_US)
        self.officer.off_duty = self.desk.off_duty = True
        self._run_until(self.timeline.now_us + 3 * SECOND)  # a press on its way is answered first
        self._end_recording()
        self._drain()
        self._end_of_duty()

    def _run_until(self, end_us: int) -> None:
        while True:
            try:
                self.timeline.run_until(end_us)
                return
            except PowerCut:
                self.power_gone()
            except ProcessKilled:
                self.unit_killed("killed in the middle of an operation")

    def _make_peace(self) -> None:
        self.trace.say("world", "all troubles end")
        self.troubles.end_all()
        if self.clock is None:
            self.power_on()

    def _end_recording(self) -> None:
        self.officer.stop()
        limit = self.timeline.now_us + 90 * SECOND
        while self.timeline.now_us < limit:
            self._run_until(self.timeline.now_us + 2 * SECOND)
            unit = self.unit
            if unit is not None and unit.process.p.machine.session_id is None and self.officer.wanted_since is None:
                return
        self.truth.internal.append("the recording did not end although the officer held the button")

    def _drain(self) -> None:
        limit = self.timeline.now_us + DRAIN_US
        while self.timeline.now_us < limit:
            self._run_until(self.timeline.now_us + 10 * SECOND)
            if self.uplink is not None and self.uplink.backlog <= self._not_uploadable() + 4:
                return

    def _not_uploadable(self) -> int:
        return len(self.truth.rotten)

    def _end_of_duty(self) -> None:
        self.trace.say("world", "end of duty: orderly shutdown")
        self.shutdown(boot_again=False)
        self._run_until(self.timeline.now_us + 20 * SECOND)
        if self.unit is not None:
            self.truth.internal.append("the unit process did not end within 20 s of the shutdown")
        self._run_until(self.timeline.now_us + 40 * SECOND)
        if self._left_open:
            self._next_day()
        self._power_down()
        self.truth.internal += [f"uplink: {error}" for error in self._uplink_errors()]

    def _next_day(self) -> None:
        """What a refusing card kept from being recovered is left to the next start."""
        self.trace.say("world", "the next day")
        self._power_down()
        self.disk.power_off()
        self.power_on()
        self._run_until(self.timeline.now_us + 30 * SECOND)
        self.shutdown(boot_again=False)
        self._run_until(self.timeline.now_us + 40 * SECOND)

    # --- power -------------------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        self._boots += 1
        boot_id = str(UUID(int=(self._boots << 64) | self.plan.seed, version=4))
        self.clock = clock = UnitClock(self.timeline, boot_id, self.wall_offset_us)
        self.truth.boots[boot_id] = Boot(boot_id, self.timeline.now_us)
        self._powered_since = self.timeline.now_us
        self.watchdog = SimulatedWatchdog(self.timeline, self._reset_by_watchdog)
        self.trace.say("world", "power on", boot=self._boots)
        self.timeline.after(BOOT_US, lambda: self._start_unit(clock))
        self.timeline.after(BOOT_US, lambda: self._start_uplink(clock))

    def power_gone(self) -> None:
        """The power goes at this instant; it comes back by itself."""
        if self.clock is None:
            return
        self.trace.say("world", "POWER CUT")
        self.truth.count("power-cut")
        for worker in self.workers.values():
            self._note_loss(worker)
            worker.vanish()
        self._power_down()
        self.disk.power_off()
        self._come_back()

    def card_was_ill(self) -> None:
        """Called as a trouble ends: what waited for the card is still to be done."""
        if not self.disk.is_well():
            self._card_ill_us = self.timeline.now_us

    def _card_is_well(self) -> bool:
        return self.disk.is_well() and self.timeline.now_us - self._card_ill_us >= CATCH_UP_US

    def _reset_by_watchdog(self) -> None:
        """To the card a reset is a power cut. A unit that recorded must never see one."""
        self.trace.say("world", "WATCHDOG")
        self.truth.count("watchdog-reset")
        for worker in self.workers.values():
            end_us = worker.media_end_us
            recent = end_us is not None and self.timeline.now_us - end_us < PROGRESS_US
            if worker.life.alive and recent and worker.recorded_us >= KNOWN_US:
                self.truth.internal.append(f"the watchdog reset a unit that recorded with {worker.camera_id}")
        raise PowerCut

    def _note_loss(self, worker: SimulatedWorker) -> None:
        end = worker.media_end_us
        if not worker.life.alive or end is None:
            return
        slow = max(0, worker.busy_us - self.timeline.now_us)
        self.truth.losses.append(Loss(self.timeline.now_us, worker.camera_id, end, worker.frames_end_us(), slow))

    def _power_down(self) -> None:
        if self.unit is not None:
            self._unit_gone()
        if self.uplink is not None:
            self.truth.internal += [f"uplink: {error}" for error in self._uplink_errors()]
            self.uplink.life.alive = False
            self.uplink = None
        for worker in self.workers.values():
            worker.vanish()
        self.workers.clear()
        self._mark = None
        self.watchdog.close()
        if self._powered_since is not None:
            self.truth.powered.append((self._powered_since, self.timeline.now_us))
            self._powered_since = None
        self.clock = None

    def _come_back(self) -> None:
        low, high = self._boot_again_us
        away = round(low * (high / low) ** self.rnd.random())
        self.timeline.after(away, lambda: self.power_on() if self.clock is None else None)

    def _uplink_errors(self) -> list[str]:
        return [] if self.uplink is None else self.uplink.internal_errors()

    # --- the unit process --------------------------------------------------------------------------------------------

    def _start_unit(self, clock: UnitClock) -> None:
        """Once the old workers are gone, as ``worker_lock.wait_until_gone`` has it."""
        if self.clock is not clock or self.unit is not None:
            return
        old = [worker for worker in self.workers.values() if worker.life.alive]
        if old:
            for worker in old:
                self.timeline.after(6 * SECOND, worker.vanish, worker.life)
            self.timeline.after(50_000, lambda: self._start_unit(clock))
            return
        around = Surroundings(
            timeline=self.timeline,
            rnd=self.rnd,
            disk=self.disk,
            config=self.config,
            agency=agency(),
            signer=self._signer,
            readings=self.readings,
            watchdog=self.watchdog,
            new_id=self.new_id,
            make_worker=self._make_worker,
            wake=self._wake,
        )
        try:
            unit = UnitLife(around, clock, self.bugs.making)
        except (JournalError, OSError) as error:
            self.trace.say("unit", "cannot start", error=error)
            self.disk.take_spent_us()
            self.timeline.after(2 * SECOND, lambda: self._start_unit(clock))
            return
        self.unit = unit
        self._running_since = self.timeline.now_us
        self._unit_busy_us = self.timeline.now_us + self.disk.take_spent_us()
        self.truth.count("unit-start")
        self.trace.say("unit", "started", end=unit.recovered.previous_end, recoveries=len(unit.recovered.recoveries))
        self._note_durable(unit)
        self._planned_turn = None
        self._plan_turn(self._unit_busy_us)

    def _wake(self) -> None:
        self._plan_turn(max(self.timeline.now_us + 500, self._unit_busy_us))

    def _plan_turn(self, at_us: int) -> None:
        unit = self.unit
        if unit is None or (self._planned_turn is not None and self._planned_turn <= at_us):
            return
        self._planned_turn = at_us
        self.timeline.at(at_us, lambda: self._turn(unit, at_us), unit.life)

    def _turn(self, unit: UnitLife, planned_us: int) -> None:
        if self._planned_turn != planned_us:
            return  # another turn came before
        self._planned_turn = None
        if self._kill is not None:
            self.disk.arm(self._kill)
        try:
            unit.turn()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is a violation)
            self.truth.internal.append(f"the unit process died: {type(error).__name__}: {error}")
            self.unit_killed("an error of its own")
            return
        if self._kill is not None:
            self.disk.disarm(self._kill)
        self._unit_busy_us = self.timeline.now_us + self.disk.take_spent_us()
        self._note_durable(unit)
        if unit.process.finished:
            self._ended(unit)
            return
        self._plan_turn(max(self._unit_busy_us, self.timeline.now_us + self.tick_us))

    def _note_durable(self, unit: UnitLife) -> None:
        durable = unit.journal.durable
        if durable is not None:
            self.truth.durable_lines[durable[0]] = durable[1]
            self._mark = durable[0]

    def _ended(self, unit: UnitLife) -> None:
        self.trace.say("unit", "ended in order")
        for line in unit.lines.values():
            line.close()
        if unit.end():
            self._note_durable(unit)
        self._left_open = bool(unit.journal.state.open_segments)
        self._unit_gone()

    def _unit_gone(self) -> None:
        unit = self.unit
        if unit is None:
            return
        if unit.life.alive:
            unit.dead()
        for code in unit.process.p.faults.present():
            if code == "duty-fault":
                self.truth.internal.append("a duty of the unit process failed")
        self.unit, self._kill = None, None
        if self._running_since is not None:
            self.truth.running.append((self._running_since, self.timeline.now_us))
            self._running_since = None

    def unit_killed(self, why: str) -> None:
        """SIGKILL: its workers see their sockets close, the service manager starts it again."""
        unit, clock = self.unit, self.clock
        if unit is None or clock is None:
            return
        self.trace.say("world", "UNIT PROCESS KILLED", why=why)
        self.truth.count("unit-killed")
        self._unit_gone()
        for worker in self.workers.values():
            worker.channel_closed()
        self.timeline.after(self.rnd.randint(*RESTART_US), lambda: self._start_unit(clock))

    def kill_unit_within(self, steps: int) -> None:
        """SIGKILL in the middle of one of its next operations on the disk."""
        self._kill = Strike(steps, ProcessKilled())

    def step_clock(self, step_us: int) -> None:
        """The wall clock is set, by so much."""
        if self.clock is not None:
            self.clock.offset_us += step_us
            self.wall_offset_us = self.clock.offset_us
            self.trace.say("world", "wall clock stepped", seconds=step_us / SECOND)

    def shutdown(self, *, boot_again: bool) -> None:
        """The power key: an orderly end; ``boot_again`` after a while."""
        self.officer.had_enough()
        if self.unit is not None:
            self.unit.events.put(Shutdown())
        if boot_again:
            clock = self.clock
            self.timeline.after(15 * SECOND, lambda: self._orderly_off(clock))

    def _orderly_off(self, clock: UnitClock | None) -> None:
        if clock is not None and self.clock is clock:
            self.trace.say("world", "power off in order")
            self._power_down()
            self.disk.power_off()
            self._come_back()

    # --- workers and uplink ------------------------------------------------------------------------------------------

    def _make_worker(self, line: Line, clock: UnitClock) -> SimulatedWorker:
        camera_id = line.camera_id
        settings = WorkerSettings(
            segments_dir=self.data_dir / "segments",
            camera_id=camera_id,
            segment_us=self.plan.segment_us,
            pre_event_us=self.plan.pre_event_us,
            post_event_us=self.plan.post_event_us,
            reserve_bytes=self.config.storage.reserve_mb * MB,
        )
        worker = SimulatedWorker(
            settings,
            self.timeline,
            clock.began_us,
            self.rnd,
            self.disk,
            self.bugs.worker_files(self.disk),
            self.bugs.sealer,
            self.cameras[camera_id],
            self.truth,
            self.new_id,
            line.deliver,
            line.ended,
        )
        self.workers[camera_id] = worker
        self.truth.count("worker-start")
        self.trace.say("unit", "launches worker", camera=camera_id)
        return worker

    def _hear(self, begin_us: int, level_dbfs: float) -> None:
        for worker in self.workers.values():
            worker.hears(begin_us, level_dbfs)

    def _start_uplink(self, clock: UnitClock) -> None:
        if self.clock is not clock:
            return
        try:
            self.uplink = SimulatedUplink(
                self.timeline,
                self.rnd,
                clock,
                self.config,
                self.disk,
                self.network,
                self._tell_unit,
                lambda: self._mark,
            )
        except OSError as error:
            self.trace.say("uplink", "cannot start", error=error)
            self.timeline.after(2 * SECOND, lambda: self._start_uplink(clock))

    def _tell_unit(self, receipt_id: str) -> bool:
        unit = self.unit
        if unit is None:
            return False
        unit.events.put(ControlRequest({"v": 1, "cmd": "receipt", "receipt_id": receipt_id}, lambda answer: None))
        return True

    # --- what the disk tells -----------------------------------------------------------------------------------------

    def _removed(self, path: Path) -> None:
        """A file is about to be removed: for a segment only after a receipt for exactly its bytes."""
        if path.parent.parent != self.data_dir / "segments" or path.suffix == ".torn":
            return
        segment_id = path.name.split(".")[0]
        covered = path.read_bytes() == self.store.objects.get(segment_id)
        rotten = segment_id in self.truth.rotten
        held = any(
            segment.segment_id == segment_id for receipt, _ in self.store.receipts for segment in receipt.segments
        )
        self.truth.removed.append((self.timeline.now_us, segment_id, held and (covered or rotten)))
        self.trace.say("unit", "removes a segment", segment=segment_id)

    def _truncated(self, path: Path, size: int) -> None:
        segment = self.truth.segments.get(path.name.split(".")[0])
        if segment is not None and size < segment.durable_end:
            self.truth.overcut.append(f"{path.name} cut to {size}, durable were {segment.durable_end}")

    def clean_up(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
