"""A shift on the virtual Pi, in the order in which it happens: the tests of this file stand on each other.

The package as ``./dev deb`` builds it, the real units under systemd with their hardening, the real kernel drivers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hw_sim.runner import journal_view
from hw_sim.virtual_pi.fielded import GREEN, RECORD, RED, UPLOADED, FieldedUnit
from recorder.evidence.verify.command import verify_for_simulator

pytestmark = pytest.mark.timeout(900)

RECORDING = "s['recording'] and s['cameras']['cam0']['ready'] and s['cameras']['cam0']['last_frame_us']"
USERS = {"recorder-unit": "recorder", "recorder-capture": "recorder-capture", "recorder-uplink": "recorder-uplink"}


def processes(unit: FieldedUnit) -> dict[str, str]:
    """Which user each of the recorder's processes runs as, by the unit that systemd counts it to."""
    listing = unit.pi.sh("ps -eo unit:40,user:30,args | grep zfy-recorder | grep -v grep")
    found = {}
    for line in listing.splitlines():
        name, user, _ = line.split(maxsplit=2)
        found[re.split(r"[@.]", name)[0]] = user
    return found


def blink(unit: FieldedUnit, pin: str, timeout_s: float = 10.0) -> None:
    """Wait until the line was seen lit."""
    line = f"/sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpio{pin.removeprefix('GPIO')}/value"
    unit.pi.wait_for(f"grep -q 1 {line}", timeout_s)


def test_each_process_runs_under_its_own_user(fielded: FieldedUnit) -> None:
    fielded.wait_status("s['cameras']['cam0']['ready']", 60)
    assert processes(fielded) == USERS
    assert fielded.pi.sh("systemctl --failed --no-legend --plain").strip() == ""
    blink(fielded, GREEN)


def test_the_hardening_holds(fielded: FieldedUnit) -> None:
    """What ``systemd-analyze security`` promises, tried from inside: the worker's own view of the machine."""
    pid = fielded.pi.sh("systemctl show -p MainPID --value 'recorder-capture@*'").split()[0]
    inside = f"nsenter -t {pid} -m -n setpriv --reuid recorder-capture --regid recorder-capture --init-groups"
    for forbidden in (
        "cat /var/lib/recorder/keys/device-key.pem",
        "ls /var/lib/recorder/journal",
        "touch /etc/x",
        "touch /usr/x",
        "cat /etc/recorder/tls/client-key.pem",
    ):
        assert fielded.pi.ask(f"{inside} {forbidden}").status != 0, forbidden
    links = fielded.pi.sh(f"nsenter -t {pid} -n ip -o link")
    assert "vec0" not in links, "the worker has no network"


def test_a_press_starts_a_recording_and_the_light_says_so(fielded: FieldedUnit) -> None:
    fielded.pi.press(RECORD)
    status = fielded.wait_status(RECORDING, 60)
    assert status["state"] == "recording"
    blink(fielded, RED)


def test_segments_reach_the_agency_and_its_receipts_the_unit(fielded: FieldedUnit) -> None:
    fielded.pi.wait_for("[ $(ls /var/lib/recorder/receipts/*.jws | wc -l) -ge 3 ]", 120)
    for _ in range(240):  # two minutes at most; an early receipt covers the journal alone
        stored = [path for path in fielded.agency.store_root.glob("*/*/segments/*/*") if path.is_file()]
        if stored:
            break
        fielded.pi.pause(0.5)
    assert stored


def test_a_worker_that_stands_still_is_killed_and_the_recording_goes_on(fielded: FieldedUnit) -> None:
    before = fielded.status()["cameras"]["cam0"]["restarts"]
    fielded.pi.sh("systemctl kill --signal=SIGSTOP 'recorder-capture@*'")
    status = fielded.wait_status(f"s['cameras']['cam0']['restarts'] > {before} and {RECORDING}", 90)
    assert status["recording"]


def test_a_power_cut_costs_a_gap_and_nothing_else(fielded: FieldedUnit, tmp_path: Path) -> None:
    pi = fielded.pi
    first = pi.boot_id
    files_before = fielded.copy_out(tmp_path / "before")
    finished = {
        k: s.sha256 for k, s in journal_view.view(files_before / "journal").segments.items() if s.state == "closed"
    }
    assert finished
    pi.cut()
    pi.boot()
    assert pi.boot_id != first
    fielded.wait_status(f"s['boot_id'] == '{pi.boot_id}' and {RECORDING}", 120)
    pi.press(RECORD, 2.0)
    fielded.wait_status("not s['recording']", 60)
    fielded.wait_status(UPLOADED, 240)
    files = fielded.copy_out(tmp_path / "after")
    view = journal_view.view(files / "journal")
    cut = [gap for gap in view.gaps.values() if gap.cause in ("power-loss", "low-battery")]
    assert len(cut) == 1
    assert cut[0].from_boot == first
    assert cut[0].to_us is not None
    assert {k: view.segments[k].sha256 for k in finished} == finished
    summary = verify_for_simulator(
        files, fielded.agency.trust_dir, fielded.agency.identity_file, tmp_path / "report.html"
    )
    assert summary["integrity"] in ("intact", "incomplete"), json.dumps(summary, ensure_ascii=False)
    expected = {"gap-unexplained", "statement-owed", "segment-recovered", "shift-open"}  # the unit is on duty still
    assert set(summary["finding_codes"]) <= expected, summary
    assert summary["unaccounted_s"] == 0.0


def test_it_switches_off_in_order(fielded: FieldedUnit) -> None:
    fielded.pi.power_off(90)
    assert not fielded.pi.running
