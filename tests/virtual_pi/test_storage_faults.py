"""A data disk that errs, and every disk a card with a lost cache could have left.

The second is what a SIGKILL of the machine cannot show: writes that the guest issued survive it in this machine's page
cache. The log of device mapper's log-writes says in which order they became durable; replayed to a flush, all that was not
flushed is gone, as on a card whose cache lost its power.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import Agency
from hw_sim.runner import journal_view
from hw_sim.virtual_pi import card, image, storage_faults, write_log
from hw_sim.virtual_pi.fielded import RECORD, UPLOADED, FieldedUnit
from hw_sim.virtual_pi.machine import Parts, VirtualPi
from recorder.evidence.verify.command import verify_for_simulator
from tests.support import tier
from tests.virtual_pi.conftest import Images
from tests.virtual_pi.test_a_shift import RECORDING

pytestmark = pytest.mark.timeout(900)

POINTS = {"quick": 10, "ci": 20, "nightly": 200}
DISK_MB = 256
REFUSED = "{'storage-io-error', 'storage-read-only', 'storage-fault'} & set(s['faults'])"
"""Not ``storage-low``, which a disk this small has from the first moment on."""


@contextmanager
def machine(images: Images, folder: Path, *more: Path) -> Iterator[FieldedUnit]:
    disk = folder / "data.ext4"
    image.make_data_disk(disk, DISK_MB, folder / "mke2fs.log")
    parts = Parts(images.kernel, images.root, (disk, *more))
    with (
        Agency(folder / "agency") as agency,
        VirtualPi(parts, folder / "machine", SystemClock()) as pi,
    ):
        pi.boot()
        yield FieldedUnit(pi, agency)


def begin(unit: FieldedUnit) -> None:
    unit.pi.sh("systemd-tmpfiles --create zfy-recorder.conf")
    unit.enrol()
    unit.start()
    unit.pi.press(RECORD)
    unit.wait_status(RECORDING, 90)


def test_a_disk_that_refuses_every_write_is_a_fault_and_what_it_held_stays_whole(
    images: Images, tmp_path: Path
) -> None:
    with machine(images, tmp_path) as unit:
        storage_faults.take_out(unit.pi)
        storage_faults.put_in(unit.pi)
        begin(unit)
        unit.pi.pause(6.0)
        storage_faults.fail_writes(unit.pi, True)
        status = unit.wait_status(REFUSED, 60)
        assert status["recording"], "a disk that fails is no reason to stop"
        unit.pi.cut()
        unit.pi.boot()
        unit.wait_status(f"s['boot_id'] == '{unit.pi.boot_id}' and {RECORDING}", 120)
        unit.pi.pause(3.0)
        unit.pi.press(RECORD, 2.0)
        unit.wait_status("not s['recording']", 60)
        files = unit.copy_out(tmp_path / "after")
        assert card.altered(files) == []
        summary = verify_for_simulator(files, unit.agency.trust_dir, None, None)
    assert summary["integrity"] in ("intact", "incomplete"), summary
    assert summary["unaccounted_s"] == 0.0


def test_a_moment_of_write_errors_costs_no_signed_media_and_the_recording_goes_on(
    images: Images, tmp_path: Path
) -> None:
    """A worn card: new blocks refuse their writes for some seconds, the file system's own journal takes them."""
    with machine(images, tmp_path) as unit:
        pi = unit.pi
        storage_faults.take_out(pi)
        storage_faults.put_in(pi)
        begin(unit)
        pi.wait_for("[ $(ls /var/lib/recorder/segments/*/*.mp4* | wc -l) -ge 2 ]", 60)
        before = journal_view.view(unit.copy_out(tmp_path / "before") / "journal").segments
        began = unit.status()
        process = pi.sh("systemctl show -p MainPID --value recorder-unit")
        storage_faults.fail_new_blocks(pi)
        onset = unit.wait_status(REFUSED, 60)
        pi.pause(1.0)
        storage_faults.fail_writes(pi, False)
        over = unit.wait_status(f"not ({REFUSED}) and {RECORDING}", 60)
        assert (over["session_id"], over["boot_id"]) == (began["session_id"], pi.boot_id)
        assert pi.sh("systemctl show -p MainPID --value recorder-unit") == process, (
            "a bad block is no reason to restart"
        )
        assert "rw" in pi.sh(f"findmnt -no OPTIONS {storage_faults.MOUNT}").split(","), "the test meant the media alone"
        pi.pause(6.0)
        pi.press(RECORD, 2.0)
        unit.wait_status("not s['recording']", 60)
        unit.wait_status(UPLOADED, 240)  # the uplink, too, is over it
        pi.sh("sync")
        files = unit.copy_out(tmp_path / "after")
        # The page cache would answer for what never reached the disk: judge the disk itself as well.
        pi.cut()
        found = card.look(pi.parts.disks[0], tmp_path / "card")
        assert found.file_system == "clean", found.fsck
        trust = unit.agency.trust_dir
        summaries = [verify_for_simulator(folder, trust, None, None) for folder in (files, found.files)]
    view = journal_view.view(files / "journal")
    assert "storage-io-error" in view.faults, (onset["faults"], view.faults)
    assert card.altered(files) == [] and card.altered(found.files) == []
    closed = {key: segment.sha256 for key, segment in before.items() if segment.state == "closed"}
    assert closed and {key: view.segments[key].sha256 for key in closed} == closed
    later = [s for s in view.segments.values() if s.state == "closed" and s.media_start_us > over["at_us"]]
    assert later, "a segment begun after the errors, and finished"
    lost_s = sum((gap.to_us or 0) - gap.from_us for gap in view.gaps.values()) / 1e6
    click.echo(f"write errors from {onset['at_us'] / 1e6:.1f} to {over['at_us'] / 1e6:.1f} s: gaps {lost_s:.1f} s")
    for where, summary in zip(("running", "after the cut"), summaries, strict=True):
        click.echo(f"{where}: {summary['unaccounted_s']} s unaccounted for, {summary['finding_codes']}")
        assert summary["integrity"] in ("intact", "incomplete"), summary
        assert summary["unaccounted_s"] == 0.0, summary
        assert not {"gap-unrecorded", "time-unaccounted"} & set(summary["finding_codes"]), summary


def test_every_disk_that_a_lost_cache_can_leave_is_verifiable(images: Images, tmp_path: Path) -> None:
    log = tmp_path / "writes.log"
    storage_faults.make_log_disk(log, 1024)
    with machine(images, tmp_path, log) as unit:
        storage_faults.take_out(unit.pi)
        shutil.copyfile(tmp_path / "data.ext4", tmp_path / "start.ext4")
        storage_faults.put_in_logged(unit.pi)
        begin(unit)
        unit.pi.wait_for("[ $(ls /var/lib/recorder/segments/*/*.mp4* | wc -l) -ge 3 ]", 60)
        unit.pi.pause(4.0)
        unit.pi.cut()
        trust = unit.agency.trust_dir
        with log.open("rb") as source:
            flushes = sum(write.orders for write in write_log.entries(source))
        assert flushes > 50, "the recorder syncs at least twice a second"
        bad = []
        worst = tmp_path / "worst.ext4"
        # The first few flushes are the enrolment's: there is no journal yet to verify.
        for replay in write_log.replays(log, tmp_path / "start.ext4", tmp_path, POINTS[tier()], 20191201, flushes // 2):
            found = card.look(replay.disk, tmp_path / "card")
            summary = verify_for_simulator(found.files, trust, None, None)
            verdict = str(summary.get("integrity", summary["verdict"]))
            wrong, unnamed = card.altered(found.files), card.unnamed(found.files)
            if found.file_system != "clean" or not card.holds(verdict, wrong, unnamed):
                bad.append((replay, found.fsck, wrong, unnamed, verdict, summary.get("finding_codes")))
            if unnamed or not worst.exists():
                shutil.copyfile(replay.disk, worst)
        assert bad == []
        # And the recorder itself comes up on the one with most to recover, and records on.
        shutil.copyfile(worst, unit.pi.parts.disks[0])
        # The store has receipted what was written after the moment of this disk: met again it would tell, rightly, of a
        # journal rolled back and signed anew ("forked"). A card that lost its cache leaves no such store behind: no line.
        unit.agency.outage(True)
        unit.pi.boot()
        unit.wait_status(f"s['boot_id'] == '{unit.pi.boot_id}' and {RECORDING}", 120)
        unit.pi.press(RECORD, 2.0)
        unit.wait_status("not s['recording']", 60)
        files = unit.copy_out(tmp_path / "after")
        assert card.altered(files) == []
        summary = verify_for_simulator(files, trust, None, None)
        assert summary["integrity"] in ("intact", "incomplete"), summary["finding_codes"]
