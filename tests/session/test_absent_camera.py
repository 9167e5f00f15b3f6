"""A camera that is not there: its worker lives and looks for it, and the gap is known from its word alone."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from recorder.evidence import records as rec
from recorder.session import events as ev
from recorder.session.restart import as_cause
from recorder.session.supervision import Phase
from tests.session.rig import SECOND, Bench, settings
from tests.session.test_machine import only, ready_bench, recording_bench
from tests.session.test_supervision import Bench as Supervision
from tests.session.test_supervision import progress


def absent(bench: Supervision, seconds: float) -> None:
    """Reports of a worker that finds no camera."""
    for _ in range(round(seconds * 10)):
        bench.now += SECOND // 10
        report = replace(progress(bench.frames, bench.entries, bench.recording), camera_absent=True)
        bench.supervisor.progress(report, bench.now)
        order = bench.supervisor.tick(bench.now)
        if order is not None:
            bench.orders.append((bench.now, order))


def test_a_worker_that_looks_for_its_camera_is_not_killed() -> None:
    bench = Supervision()
    bench.up()
    bench.recording = True
    bench.run(2)
    before = len(bench.orders)
    absent(bench, 60)
    assert len(bench.orders) == before and bench.supervisor.phase is Phase.RUNNING
    bench.run(5)
    assert len(bench.orders) == before


def test_a_camera_that_opens_and_stays_silent_is_judged_as_ever() -> None:
    bench = Supervision()
    bench.up()
    absent(bench, 10)
    bench.run(4, frames=0)
    assert bench.supervisor.phase is Phase.KILLED and bench.supervisor.cause == "camera-stall"


def test_a_worker_without_a_camera_at_its_start_is_not_killed_either() -> None:
    bench = Supervision()
    bench.run(0.1, None)
    bench.supervisor.hello(bench.now)
    absent(bench, 60)
    phases = [bench.supervisor.phase]
    bench.run(1)
    assert [*phases, bench.supervisor.phase] == [Phase.STARTING, Phase.RUNNING]


def unplugged(bench: Bench, phase: str = "onset") -> None:
    bench.handle(ev.WorkerFault(bench.now, "cam0", "camera-unplugged", phase))  # type: ignore[arg-type]


def test_a_recording_begun_without_a_camera_is_a_gap_from_the_press() -> None:
    bench = ready_bench()
    unplugged(bench)
    pressed = bench.now
    bench.start()
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.cause) == (pressed, "camera-unplugged")


@pytest.mark.parametrize("code", ["storage-full", "storage-read-only", "camera-stall"])
def test_whatever_else_is_wrong_a_recording_begun_without_a_camera_is_a_gap_from_the_press(code: str) -> None:
    """The newest fault is not the camera's, and the time is no standby all the same."""
    bench = ready_bench()
    worker = bench.workers["cam0"]
    worker.first_frame_us = bench.now + 3600 * SECOND
    unplugged(bench)
    bench.handle(ev.WorkerFault(bench.now, "cam0", code, "onset"))
    pressed = bench.now
    bench.start()
    bench.run(25 * SECOND)
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.cause) == (pressed, "camera-unplugged")
    assert not [r for r in bench.records(rec.Standby) if isinstance(r, rec.Standby) and r.to_us > pressed]


def test_a_worker_that_never_had_a_camera_opens_the_gap_by_its_word() -> None:
    bench = Bench(settings(), launch_us=3600 * SECOND)
    bench.run(SECOND)
    bench.start()
    assert not bench.records(rec.Interruption)
    unplugged(bench)
    assert only(bench, rec.Interruption).cause == "camera-unplugged"


def test_an_empty_battery_is_the_cause_of_the_gap_its_power_cut_makes() -> None:
    for code, cause in (
        ("battery-critical", "low-battery"),
        ("over-temperature", "thermal"),
        ("gnss-lost", "power-loss"),
    ):
        bench = recording_bench()
        bench.write(  # the fault the unit process wrote itself
            rec.Fault(
                fault_id="99999999-0000-4000-8000-000000000000",
                code=code,
                phase="onset",
                component="unit",
                onset_us=bench.now,
                evidence={},
            )
        )
        bench.power_cut(30 * SECOND)
        assert only(bench, rec.Interruption).cause == cause


def test_only_what_stops_the_picture_is_a_cause() -> None:
    assert as_cause("storage-read-only") == "storage-fault" and as_cause("camera-stall") == "camera-stall"
    assert as_cause("lens-covered") is None and as_cause("microphone-fault") is None
