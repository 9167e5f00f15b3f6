"""Whoever hangs is ended from outside, layer by layer as docs/services.md has it, and the recording goes on.

Each layer alone: the unit process's own rule is given thirty seconds, so that the watchdog of systemd comes first.
"""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest

from hw_sim.runner import journal_view
from hw_sim.virtual_pi.cut_table import quantile
from hw_sim.virtual_pi.fielded import RECORD, FieldedUnit
from recorder.evidence.verify.command import verify_for_simulator
from tests.support import tier
from tests.virtual_pi.test_a_shift import RECORDING

pytestmark = pytest.mark.timeout(900)

OVERRIDES = {
    # A pause that does not grow: one worker is killed after another here.
    "supervision": {
        "connect_timeout_s": 60,
        "start_timeout_s": 60,
        "progress_timeout_s": 30,
        "restart_backoff_max_s": 0.1,
    },
}
KILLS = {"quick": 10, "ci": 10, "nightly": 30}
RESET_S = 14
"""RuntimeWatchdogSec= of systemd/system.conf.d."""

KILL_AND_SAY_WHEN = (
    "import os,signal,sys,time; pid=int(sys.argv[1]); "
    "now=time.clock_gettime_ns(time.CLOCK_BOOTTIME); os.kill(pid, signal.SIGKILL); print(now // 1000)"
)


def record(unit: FieldedUnit) -> None:
    """Begin a recording, where none goes on from the test before."""
    if not unit.status()["recording"]:
        unit.pi.press(RECORD)
    unit.wait_status(RECORDING, 120)


def worker(unit: FieldedUnit) -> int:
    return int(unit.status()["cameras"]["cam0"]["worker_pid"])


def log_since(unit: FieldedUnit, cursor: str) -> str:
    return unit.pi.sh(f"journalctl --no-pager -o cat --after-cursor='{cursor}'")


def cursor(unit: FieldedUnit) -> str:
    return unit.pi.sh("journalctl -n 0 --show-cursor").split("-- cursor: ")[1].strip()


def test_from_the_kill_of_a_worker_to_its_first_new_frame(fielded: FieldedUnit, tmp_path: Path) -> None:
    """The unit process and systemd's socket, under the real systemd; the number is for docs/benchmarks.md."""
    record(fielded)
    count = int(os.environ.get("KILLS", KILLS[tier()]))
    killed = []
    for _ in range(count):
        pid = worker(fielded)
        killed.append(int(fielded.pi.sh(f'python3 -c "{KILL_AND_SAY_WHEN}" {pid}')))
        fielded.wait_status(f"{RECORDING} and s['cameras']['cam0']['worker_pid'] not in (None, {pid})", 60)
        fielded.pi.pause(1.5)
    gaps = journal_view.view(fielded.copy_out(tmp_path / "files") / "journal").gaps.values()
    ends = sorted(gap.to_us for gap in gaps if gap.to_us is not None)
    assert len(gaps) == len(ends) == count, "one interruption for each kill, and all are over"
    delays = [(end - at) / 1e6 for at, end in zip(killed, ends, strict=True)]
    assert min(delays) > 0
    three = " / ".join(f"{quantile(delays, share):.2f}" for share in (0.5, 0.99, 1.0))
    click.echo(f"guest, n = {count}: worker killed to first new frame, s, p50 / p99 / max: {three}")


def test_a_worker_that_hangs_with_its_unit_process_is_ended_by_systemd(fielded: FieldedUnit, tmp_path: Path) -> None:
    record(fielded)
    start, pid = cursor(fielded), worker(fielded)
    instance = fielded.pi.sh(f"ps -o unit= -p {pid}").strip()
    assert instance.startswith("recorder-capture@")
    assert fielded.pi.sh(f"systemctl show -p WatchdogUSec --value '{instance}'").strip() == "6s"
    fielded.pi.sh(f"kill -STOP {pid}")
    fielded.wait_status(f"{RECORDING} and s['cameras']['cam0']['worker_pid'] not in (None, {pid})", 60)
    log = log_since(fielded, start)
    assert f"{instance}: Watchdog timeout (limit 6s)!" in log
    assert f"{instance}: Killing process {pid} " in log and "with signal SIGKILL" in log
    assert f"{instance}: Failed with result 'watchdog'" in log
    # The unit process, which gives it thirty seconds, only learns of it: a stall would be its own judgement.
    gaps = journal_view.view(fielded.copy_out(tmp_path / "files") / "journal").gaps.values()
    last = max(gaps, key=lambda gap: gap.from_us)
    assert last.cause == "worker-crash"


def test_a_unit_process_that_hangs_is_ended_by_systemd_and_goes_on_recording(fielded: FieldedUnit) -> None:
    record(fielded)
    start = cursor(fielded)
    pid = int(fielded.pi.sh("systemctl show -p MainPID --value recorder-unit"))
    session = fielded.status()["session_id"]
    fielded.pi.sh(f"kill -STOP {pid}")
    fielded.pi.wait_for(f"p=$(systemctl show -p MainPID --value recorder-unit); [ $p != 0 ] && [ $p != {pid} ]", 60)
    fielded.pi.wait_for("systemctl -q is-active recorder-unit", 60)
    status = fielded.wait_status(f"s['at_us'] > {fielded.status()['at_us']} and {RECORDING}", 60)
    assert status["session_id"] == session
    log = log_since(fielded, start)
    assert "recorder-unit.service: Watchdog timeout (limit 15s)!" in log
    assert f"recorder-unit.service: Killing process {pid} " in log
    assert "recorder-unit.service: Failed with result 'watchdog'" in log


def test_a_machine_that_hangs_is_reset_by_its_board(fielded: FieldedUnit, tmp_path: Path) -> None:
    """``unit-setup`` is in force from the next boot on. Then systemd itself hangs: after a SIGSEGV it freezes, and the
    watchdog is not fed any more."""
    pi = fielded.pi
    record(fielded)
    pi.cut()
    pi.boot()
    fielded.wait_status(f"s['boot_id'] == '{pi.boot_id}' and {RECORDING}", 120)
    assert pi.sh("systemctl show -p RuntimeWatchdogUSec --value").strip() == f"{RESET_S}s"
    assert pi.sh("cat /proc/sys/kernel/panic").strip() == "5", "unit-setup's sysctl"
    pi.pause(6)
    hung = pi.boot_id
    pi.sh("kill -SEGV 1")
    took_s = pi.wait_reset(RESET_S + 30)
    click.echo(f"systemd hung: reset by the board after {took_s:.1f} s")
    assert took_s > RESET_S / 2 - 1, "no sooner than a watchdog that is fed each half of its time"
    pi.boot()
    fielded.wait_status(f"s['boot_id'] == '{pi.boot_id}' and {RECORDING}", 120)
    pi.press(RECORD, 2.0)
    fielded.wait_status("not s['recording']", 60)
    files = fielded.copy_out(tmp_path / "files")
    view = journal_view.view(files / "journal")
    (gap,) = [gap for gap in view.gaps.values() if gap.from_boot == hung]
    assert gap.cause == "power-loss" and gap.to_us is not None
    assert "power-loss" in view.faults
    summary = verify_for_simulator(files, fielded.agency.trust_dir, None, None)
    assert summary["integrity"] == "incomplete" and summary["unaccounted_s"] == 0.0, summary
