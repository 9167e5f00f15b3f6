"""Carries out what the plan has go wrong, and keeps the book of what excuses a camera from recording."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from hw_sim.deterministic import disk as disks
from hw_sim.deterministic.clocks import EPOCH_US, UNSET_US
from hw_sim.deterministic.disk import PowerCut, Strike
from hw_sim.deterministic.plan import Trouble
from hw_sim.deterministic.timeline import SECOND

if TYPE_CHECKING:
    from hw_sim.deterministic.shift import Shift

STRIKE_STEPS = 12
STRIKE_WITHIN_US = 1_500_000
ANOTHER_DAY_US = 4 * 3600 * SECOND
"""``session.resume_within_h``: a recording older than this, by the clock's claim, is not taken up again."""

UNTIL_PRESSED_US = 180 * SECOND
"""By then the officer has seen the light of standby and pressed again."""


class Troubles:
    def __init__(self, shift: Shift) -> None:
        self._shift = shift
        self._ended = False
        self._open: dict[int, tuple[str, int, str]] = {}
        self._number = 0
        self._acts: dict[str, Callable[[Trouble], None]] = {
            "power-cut": self._power_cut,
            "unit-killed": self._unit_killed,
            "worker-crash": self._worker_crash,
            "worker-deaf": self._worker_deaf,
            "worker-immortal": self._worker_immortal,
            "camera-frozen": self._camera_frozen,
            "camera-unplugged": self._camera_unplugged,
            "card-errors": lambda trouble: self._errors(trouble, "", 0.6),
            "journal-errors": lambda trouble: self._errors(trouble, "journal", 1.0),
            "receipt-errors": lambda trouble: self._errors(trouble, "receipts", 1.0),
            "write-errors": self._write_errors,
            "card-full": self._card_full,
            "card-slow": self._card_slow,
            "bit-rot": self._bit_rot,
            "partition": self._partition,
            "bad-line": self._bad_line,
            "store-busy": self._store_busy,
            "clock-step": self._clock_step,
            "clock-lost": self._clock_lost,
            "shutdown": lambda trouble: self._shift.shutdown(boot_again=True),
            "darkness": self._darkness,
        }

    def begin(self, trouble: Trouble) -> None:
        if not self._ended:
            self._shift.trace.say(
                "world",
                f"TROUBLE {trouble.kind}",
                lasts_s=trouble.lasts_us / SECOND,
                strength=round(trouble.strength, 2),
            )
            self._shift.truth.count(trouble.kind)
            self._acts[trouble.kind](trouble)

    def end_all(self) -> None:
        """Peace: everything is well again."""
        self._ended = True
        shift = self._shift
        shift.card_was_ill()
        shift.disk.calm()
        shift.disk.capacity = shift.plan.capacity
        shift.network.heal()
        for camera in shift.cameras.values():
            camera.heal(shift.timeline.now_us)
        for worker in shift.workers.values():
            worker.faults.ignores_stop = False
        for number in list(self._open):
            self._close(number)

    # --- excuses -----------------------------------------------------------------------------------------------------

    def _excuse(self, why: str, cameras: list[str], lasts_us: int = 0) -> list[int]:
        """From now until the trouble is over these cameras cannot be expected to record."""
        numbers = []
        for camera_id in cameras:
            self._number += 1
            self._open[self._number] = (camera_id, self._shift.timeline.now_us, why)
            numbers.append(self._number)
        return numbers

    def _close(self, number: int) -> None:
        found = self._open.pop(number, None)
        if found is not None:
            camera_id, since, why = found
            self._shift.truth.excuse(camera_id, since, self._shift.timeline.now_us, why)

    def _until(self, trouble: Trouble, why: str, cameras: list[str], end: Callable[[], None]) -> None:
        """The trouble lasts; then ``end``, and the excuse is over."""
        numbers = self._excuse(why, cameras)

        def over() -> None:
            if not self._ended:
                self._shift.trace.say("world", f"end of {trouble.kind}")
                self._shift.card_was_ill()
                end()
            for number in numbers:
                self._close(number)

        self._shift.timeline.after(trouble.lasts_us, over)

    def _all(self) -> list[str]:
        return list(self._shift.plan.cameras)

    def _one(self, trouble: Trouble) -> str:
        cameras = self._shift.plan.cameras
        return cameras[int(trouble.strength * len(cameras)) % len(cameras)]

    def _now(self, why: str, cameras: list[str]) -> None:
        for number in self._excuse(why, cameras):
            self._close(number)

    # --- power and processes -----------------------------------------------------------------------------------------

    def _power_cut(self, trouble: Trouble) -> None:
        """In the middle of one of the next operations of the disk, or, if it rests, a little later."""
        shift, clock = self._shift, self._shift.clock
        if clock is None:
            return
        strike = Strike(self._steps(trouble), PowerCut())
        shift.disk.arm(strike)

        def at_rest() -> None:
            if shift.disk.disarm(strike) and shift.clock is clock:
                raise strike.error

        shift.timeline.after(STRIKE_WITHIN_US, at_rest)

    @staticmethod
    def _steps(trouble: Trouble) -> int:
        return 1 + int(trouble.strength * STRIKE_STEPS)

    def _unit_killed(self, trouble: Trouble) -> None:
        if trouble.strength < 0.4:
            self._shift.unit_killed("SIGKILL")
        else:
            self._shift.kill_unit_within(self._steps(trouble))

    def _worker_crash(self, trouble: Trouble) -> None:
        worker = self._shift.workers.get(self._one(trouble))
        if worker is not None:
            self._now("worker crash", [self._one(trouble)])
            worker.crash()

    def _worker_deaf(self, trouble: Trouble) -> None:
        worker = self._shift.workers.get(self._one(trouble))
        if worker is not None:
            worker.faults.ignores_stop = True
            self._until(trouble, "worker deaf", [self._one(trouble)], lambda: None)

    def _worker_immortal(self, trouble: Trouble) -> None:
        camera_id = self._one(trouble)
        worker = self._shift.workers.get(camera_id)
        if worker is not None:
            worker.faults.immortal_until_us = self._shift.timeline.now_us + min(trouble.lasts_us, 12 * SECOND)
            self._camera_frozen(trouble)

    # --- cameras -----------------------------------------------------------------------------------------------------

    def _camera_frozen(self, trouble: Trouble) -> None:
        camera = self._shift.cameras[self._one(trouble)]
        camera.freeze(self._shift.timeline.now_us)
        self._until(trouble, "camera frozen", [camera.camera_id], lambda: self._heal(camera.camera_id))

    def _camera_unplugged(self, trouble: Trouble) -> None:
        camera = self._shift.cameras[self._one(trouble)]
        camera.freeze(self._shift.timeline.now_us)
        camera.unplugged = True
        self._until(trouble, "camera unplugged", [camera.camera_id], lambda: self._heal(camera.camera_id))

    def _heal(self, camera_id: str) -> None:
        """A worker that is left alone with a camera back from a hang sees its frames again; keyframes begin anew."""
        self._shift.cameras[camera_id].heal(self._shift.timeline.now_us)

    # --- the card ----------------------------------------------------------------------------------------------------

    def _errors(self, trouble: Trouble, below: str, most: float) -> None:
        disk = self._shift.disk
        kind = disks.Trouble(str(self._shift.data_dir / below), 0.05 + trouble.strength * (most - 0.05))
        disk.troubles.append(kind)
        cameras = self._all() if below != "receipts" else []

        def over() -> None:
            if kind in disk.troubles:
                disk.troubles.remove(kind)

        self._until(trouble, "card errors", cameras, over)

    def _write_errors(self, trouble: Trouble) -> None:
        """A worn card: again and again, for a moment up to some seconds, it takes names of files and refuses their bytes.
        The board is busy with it, so that the cameras seem to stall meanwhile."""
        shift, disk = self._shift, self._shift.disk
        rnd = random.Random(f"write errors {shift.plan.seed} {trouble.at_us}")
        refusal = disks.Trouble(
            str(shift.data_dir / "segments"),
            rnd.choice([0.5, 0.8, 1.0, 1.0]),
            rnd.choice([errno.EIO, errno.EIO, errno.ENOSPC, errno.EROFS]),
            takes_names=rnd.random() < 0.7,
        )
        end_us = shift.timeline.now_us + trouble.lasts_us

        def refuse() -> None:
            if self._ended or shift.timeline.now_us >= end_us:
                return
            disk.troubles.append(refusal)
            lasts = rnd.randint(100_000, 3 * SECOND)
            for _ in range(rnd.randint(0, 3)):
                shift.timeline.after(rnd.randint(0, lasts), stutter)
            shift.timeline.after(lasts, relent)

        def stutter() -> None:
            for worker in shift.workers.values():
                worker.stutter()

        def relent() -> None:
            well()
            shift.timeline.after(rnd.randint(100_000, 4 * SECOND), refuse)

        def well() -> None:
            if refusal in disk.troubles:
                disk.troubles.remove(refusal)

        refuse()
        self._until(trouble, "card errors", self._all(), well)

    def _card_full(self, trouble: Trouble) -> None:
        disk = self._shift.disk
        spare = 0 if trouble.strength < 0.3 else int(trouble.strength * (24 << 20))
        disk.capacity = min(disk.capacity, disk.used + spare)

        def over() -> None:
            disk.capacity = self._shift.plan.capacity

        self._until(trouble, "card full", self._all(), over)

    def _card_slow(self, trouble: Trouble) -> None:
        disk = self._shift.disk
        disk.sync_us = (50_000, 100_000 + int(trouble.strength * 1_500_000))

        def over() -> None:
            disk.sync_us = disks.SYNC_US

        self._until(trouble, "card slow", self._all(), over)

    def _bit_rot(self, trouble: Trouble) -> None:
        """A closed segment that lies on the card loses a bit."""
        shift = self._shift
        folder = shift.data_dir / "segments"
        open_now = set() if shift.unit is None else set(shift.unit.journal.state.open_segments)
        paths = sorted(path for path in folder.glob("*/*.mp4*") if path.name.split(".")[0] not in open_now)
        known = [path for path in paths if (path.name.split(".")[0] in shift.truth.segments and path.stat().st_size)]
        if shift.unit is None or not known:
            return
        path = known[int(trouble.strength * len(known)) % len(known)]
        offset = int(trouble.strength * (path.stat().st_size - 1))
        shift.disk.rot(path, offset)
        segment_id = path.name.split(".")[0]
        shift.truth.rotten.setdefault(segment_id, []).append(offset)
        row = shift.unit.index.segment(segment_id)
        if row is None or row["state"] != "closed":
            shift.truth.never_signed.add(segment_id)
        shift.trace.say("disk", "a bit rots", file=path.name, offset=offset)

    # --- line and store ----------------------------------------------------------------------------------------------

    def _partition(self, trouble: Trouble) -> None:
        self._shift.network.up = False
        self._until(trouble, "", [], lambda: setattr(self._shift.network, "up", True))

    def _bad_line(self, trouble: Trouble) -> None:
        network = self._shift.network
        network.lost, network.cut = trouble.strength * 0.4, trouble.strength * 0.5
        network.doubled, network.bytes_per_s = trouble.strength * 0.3, 60_000 + int(400_000 * trouble.strength)
        self._until(trouble, "", [], lambda: network.heal() if network.up else None)

    def _store_busy(self, trouble: Trouble) -> None:
        self._shift.store.busy = True
        self._until(trouble, "", [], lambda: setattr(self._shift.store, "busy", False))

    # --- the rest ----------------------------------------------------------------------------------------------------

    def _clock_step(self, trouble: Trouble) -> None:
        step = int((trouble.strength - 0.5) * 2 * (600 if trouble.strength < 0.8 else 86_400) * SECOND)
        if self._shift.unit is None and abs(step) >= ANOTHER_DAY_US:
            # The next start has nothing but this clock to tell how long it was off, and ends the recording as an old one.
            numbers = self._excuse("the clock claims another day", self._all())

            def over() -> None:
                for number in numbers:
                    self._close(number)

            self._shift.timeline.after(UNTIL_PRESSED_US, over)
        self._shift.step_clock(step)

    def _clock_lost(self, trouble: Trouble) -> None:
        """The next boot begins without a time; later the clock is set."""
        shift = self._shift
        shift.wall_offset_us = UNSET_US - EPOCH_US - shift.timeline.now_us

        def set_again() -> None:
            shift.step_clock(-shift.clock.offset_us if shift.clock is not None else 0)
            shift.wall_offset_us = 0

        shift.timeline.after(max(trouble.lasts_us, 30 * SECOND), set_again)

    def _darkness(self, trouble: Trouble) -> None:
        readings = self._shift.readings
        readings.lux = 0.5
        self._until(trouble, "", [], lambda: setattr(readings, "lux", 300.0))
