"""The power-cut rig: a recording unit loses its power again and again, at seeded moments, and every loss is measured.

Each round: boot, wait until it records again by itself, provoke the phase the round is for, wait a random moment, SIGKILL;
then look at the disk as the cut left it (:mod:`hw_sim.virtual_pi.card`) and let the verifier judge it before any recovery.
What a cut cost stands in the journal of the boots after it: the gap from the last signed media, and its end.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from firmware_bridge.ports import Clock
from hw_sim.agency.agency import Agency
from hw_sim.runner import journal_view
from hw_sim.virtual_pi import card, image
from hw_sim.virtual_pi.cut_table import PHASES, Cut, Phase, hold_problem
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.fielded import RECORD, UPLOADED, FieldedUnit
from hw_sim.virtual_pi.guest_clock import GuestClock
from hw_sim.virtual_pi.machine import Parts, VirtualPi
from recorder.evidence.verify.command import verify_for_simulator

OVERRIDES: Final[dict[str, dict[str, Any]]] = {
    # Receipted segments go at once, so that releasing can be cut too.
    "storage": {"keep_window_h": 0, "release_below_free_mb": 100_000},
}
PROVOKE_S: Final = 60.0
UPLOAD_BYTES_PER_S: Final = 150_000
HOLD_S: Final = 1.0
"""A cut may cost so much media: what was not yet in a durable, signed fragment."""
LAST_MOMENT_S: Final[dict[Phase, float]] = {"recording": 6.0, "splitting": 0.4, "uploading": 0.4, "releasing": 0.3}
"""A cut falls so long at most after the phase was seen to begin."""


@dataclass(frozen=True, slots=True)
class Result:
    cuts: tuple[Cut, ...]
    verdict: dict[str, Any]
    """Of the unit after the last boot, an orderly stop and a full upload."""
    all_receipted: bool

    def problems(self, hold_s: float = HOLD_S) -> list[str]:
        """What was lost beyond ``hold_s`` of media before each cut, or could not be measured, in words."""
        wrong = [f"断电 cut {cut.number}: {_brief(cut)}" for cut in self.cuts if not cut.good]
        wrong += [f"断电 cut {cut.number}: {problem}" for cut in self.cuts if (problem := hold_problem(cut, hold_s))]
        if self.verdict.get("integrity") not in ("intact", "incomplete"):
            wrong.append(f"核验 verify: {self.verdict.get('sentence_en')}")
        if self.verdict.get("unaccounted_s"):
            wrong.append(f"无人交代的时间 unaccounted: {self.verdict['unaccounted_s']} s")
        if not self.all_receipted:
            wrong.append("未全部回执 not everything got a receipt")
        return wrong


def power_cuts(
    kernel: Path, unit: Path, folder: Path, count: int, seed: int, clock: Clock, say: Callable[[str], None]
) -> Result:
    """Raises VirtualPiError when the machine itself fails; what the recorder does wrong is in the result."""
    chance = random.Random(seed)
    disk = folder / "data.ext4"
    image.make_data_disk(disk, 2048, folder / "mke2fs.log")
    with (
        Agency(folder / "agency") as agency,
        VirtualPi(Parts(kernel, unit / "root.ext4", (disk,)), folder / "machine", clock) as pi,
    ):
        fielded = FieldedUnit(pi, agency)
        pi.boot()
        fielded.enrol(OVERRIDES)
        fielded.start()
        pi.press(RECORD)
        moments: list[_Moment] = []
        cuts: list[Cut] = []
        for number, phase in zip(range(1, count + 1), _phases(chance), strict=False):
            if not pi.running:
                pi.boot()
            moments.append(_cut(number, phase, chance, fielded, clock))
            cuts.append(_found(number, moments[-1].phase, disk, folder, agency))
            say(f"cut {number}/{count} {moments[-1].phase}: {_brief(cuts[-1])}")
        pi.boot()
        last = GuestClock.read(pi, clock)
        moments.append(_Moment("recording", pi.boot_id, 0, last.guest_us(pi.switched_on_us), pi.boot_s))
        _record_again(fielded)
        receipted = _end(fielded)
        files = fielded.copy_out(folder / "unit")
        pi.power_off()
        view = journal_view.view(files / "journal")
        return Result(
            tuple(_cost(cut, moments[index], moments[index + 1], view) for index, cut in enumerate(cuts)),
            verify_for_simulator(files, agency.trust_dir, agency.identity_file, folder / "report.html"),
            receipted,
        )


# --- one round -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Moment:
    """A boot: when it was switched on and cut, in its own boot-time (switched on: a little below zero)."""

    phase: Phase
    boot_id: str
    cut_us: int
    on_us: int
    boot_s: float


def _phases(chance: random.Random) -> Iterator[Phase]:
    """Every phase once, in random order, again and again."""
    while True:
        yield from chance.sample(PHASES, len(PHASES))


def _record_again(fielded: FieldedUnit) -> None:
    now = fielded.pi.boot_id
    camera = "s['cameras']['cam0']['ready'] and s['cameras']['cam0']['last_frame_us']"
    fielded.wait_status(f"s['boot_id'] == '{now}' and s['recording'] and {camera}", 90)


def _cut(number: int, phase: Phase, chance: random.Random, fielded: FieldedUnit, clock: Clock) -> _Moment:
    pi = fielded.pi
    _record_again(fielded)
    guest = GuestClock.read(pi, clock)
    try:
        _provoke(phase, fielded, clock)
    except VirtualPiError:
        if not pi.running:
            raise
        phase = "recording"  # what was waited for did not begin: a cut it is all the same, and called what it is
    pi.pause(chance.uniform(0.0, LAST_MOMENT_S[phase]))
    at_us = clock.boottime_us()
    boot_id, on_us, boot_s = pi.boot_id, pi.switched_on_us, pi.boot_s
    pi.cut()
    fielded.agency.store_proxy.slow(None)
    return _Moment(phase, boot_id, guest.guest_us(at_us), guest.guest_us(on_us), boot_s)


def _provoke(phase: Phase, fielded: FieldedUnit, clock: Clock) -> None:
    """Wait until the next split, upload or release begins. The guest's own shell watches, 20 times a second."""
    pi = fielded.pi
    files = "ls -t /var/lib/recorder/segments/*/*.mp4*"
    if phase == "splitting":
        pi.sh(f'n=$({files} | head -n 1); until [ "$({files} | head -n 1)" != "$n" ]; do sleep 0.05; done', PROVOKE_S)
    elif phase == "releasing":
        oldest = f"n=$({files} 2>/dev/null | tail -n 1)"
        pi.sh(f'until {oldest}; [ -n "$n" ]; do sleep 0.05; done; while [ -e "$n" ]; do sleep 0.05; done', PROVOKE_S)
    elif phase == "uploading":
        _until_an_upload_runs(fielded, clock)


def _until_an_upload_runs(fielded: FieldedUnit, clock: Clock) -> None:
    """The line is slowed so that a segment takes seconds, and the store's own folder says when one is under way."""
    fielded.agency.store_proxy.slow(UPLOAD_BYTES_PER_S)
    staging = fielded.agency.store_root / "staging"
    before = {path.name: path.stat().st_size for path in staging.iterdir()}
    deadline = clock.boottime_us() + round(PROVOKE_S * 1e6)
    while not any(path.stat().st_size > before.get(path.name, 0) for path in staging.iterdir()):
        if clock.boottime_us() > deadline:
            raise VirtualPiError(f"{PROVOKE_S:g} 秒内没有上传 no upload began in time")
        fielded.pi.pause(0.02)


def _found(number: int, phase: Phase, disk: Path, folder: Path, agency: Agency) -> Cut:
    found = card.look(disk, folder / "card")
    summary = verify_for_simulator(found.files, agency.trust_dir, None, None)
    wrong = card.altered(found.files)
    verdict = str(summary.get("integrity", summary["verdict"]))
    cut = Cut(
        number=number,
        phase=phase,
        journal_replayed=found.needed_recovery,
        file_system=found.file_system,
        segments=len(list(found.files.glob("segments/*/*.mp4*"))),
        altered=tuple(wrong),
        verdict=verdict,
        holds=card.holds(verdict, wrong, card.unnamed(found.files)),
    )
    if not cut.good:
        kept = folder / f"cut-{number}"
        shutil.copytree(found.files, kept, dirs_exist_ok=True)
        (kept / "fsck.txt").write_text(found.fsck, encoding="utf-8")
    return cut


def _end(fielded: FieldedUnit) -> bool:
    """Stop the recording, upload everything. Did everything get its receipt?"""
    fielded.pi.press(RECORD, 2.0)
    fielded.wait_status("not s['recording']", 30)
    try:
        fielded.wait_status(UPLOADED, 120)
    except VirtualPiError:
        return False
    return True


def _cost(cut: Cut, before: _Moment, after: _Moment, view: journal_view.JournalView) -> Cut:
    gaps = [gap for gap in view.gaps.values() if gap.from_boot == before.boot_id]
    if not gaps:
        return replace(cut, boot_s=after.boot_s)
    gap = gaps[-1]
    again = None if gap.to_us is None else (gap.to_us - after.on_us) / 1e6
    return replace(cut, lost_s=(before.cut_us - gap.from_us) / 1e6, boot_s=after.boot_s, recording_again_s=again)


def _brief(cut: Cut) -> str:
    replayed = "journal replayed" if cut.journal_replayed else "nothing to replay"
    wrong = f", ALTERED {', '.join(cut.altered)}" if cut.altered else ""
    return f"{replayed}, file system {cut.file_system}, {cut.segments} files, verify: {cut.verdict}{wrong}"
