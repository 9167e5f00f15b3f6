"""A data partition that comes late costs time and nothing else: nothing is written around it, nobody has to start anything.

The worst line of /etc/fstab: systemd gives the device five seconds and fails the mount, and the disk comes long after.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click
import pytest

from hw_sim.runner import journal_view
from hw_sim.virtual_pi.fielded import RECORD, FieldedUnit
from recorder.evidence.verify.command import verify_for_simulator
from tests.virtual_pi.test_a_shift import RECORDING

pytestmark = pytest.mark.timeout(600)

LATE_S = 30.0
SHORT = "sed -i '/recorder/s/nofail/nofail,x-systemd.device-timeout=5s/' /etc/fstab"


def test_a_disk_that_comes_half_a_minute_late_is_recorded_on(fielded: FieldedUnit, tmp_path: Path) -> None:
    pi = fielded.pi
    pi.press(RECORD)
    fielded.wait_status(RECORDING, 90)
    pi.pause(3)
    pi.sh(f"{SHORT} && sync")
    pi.cut()
    (disk,) = pi.parts.disks
    pi.parts = replace(pi.parts, disks=())
    pi.boot()
    pi.pause(max(0.0, LATE_S - pi.boot_s))
    for service in ("recorder-unit", "recorder-uplink"):
        state = pi.sh(f"systemctl show -p ActiveState --value {service}").strip()
        assert state == "activating", f"{service} is {state}: nobody will start it again"
        assert int(pi.sh(f"systemctl show -p NRestarts --value {service}")) < 10, "tries are bounded"
    assert "数据分区未挂载" in pi.sh("journalctl -b --no-pager -o cat -u recorder-unit")
    assert pi.sh("find /var/lib/recorder -type f").strip() == "", "on the root, where nobody would find it again"

    pi.plug_in(disk)
    status = fielded.wait_status(f"s['boot_id'] == '{pi.boot_id}' and {RECORDING}", 120)
    since_us = int(pi.sh("systemctl show -p ActiveEnterTimestampMonotonic --value var-lib-recorder.mount"))
    click.echo(f"disk mounted {since_us / 1e6:.1f} s after the start, recording seen at {status['at_us'] / 1e6:.1f} s")
    assert pi.sh("findmnt -no SOURCE /var/lib/recorder").strip() == "/dev/ubdb"
    pi.wait_for("systemctl -q is-active recorder-uplink", 30)
    pi.press(RECORD, 2.0)
    fielded.wait_status("not s['recording']", 60)
    files = fielded.copy_out(tmp_path / "files")
    (gap,) = journal_view.view(files / "journal").gaps.values()
    assert gap.cause == "power-loss" and gap.to_us is not None
    summary = verify_for_simulator(files, fielded.agency.trust_dir, None, None)
    assert summary["integrity"] in ("intact", "incomplete") and summary["unaccounted_s"] == 0.0, summary
