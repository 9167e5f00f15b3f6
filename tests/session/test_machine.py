"""The session machine, one situation at a time; the random ones are in test_machine_properties."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeVar

import pytest

from recorder.evidence import records as rec
from recorder.session import events as ev
from recorder.session.effects import (
    Effect,
    Indicate,
    KillWorker,
    RecoverSegment,
    Refused,
    Rotate,
    SendStart,
    SendStop,
    ShutdownComplete,
    WriteRecord,
)
from recorder.session.machine import IDLE_STOP_US, STOP_GRACE_US, State
from tests.session.accounting import holes
from tests.session.rig import SECOND, Bench, settings

R = TypeVar("R", bound=rec.Record)


def written(effects: list[Effect], kind: type[R]) -> list[R]:
    return [e.record for e in effects if isinstance(e, WriteRecord) and isinstance(e.record, kind)]


def only(bench: Bench, kind: type[R]) -> R:
    (record,) = [line.record for line in bench.lines if isinstance(line.record, kind)]
    return record


def ready_bench(**changes: object) -> Bench:
    bench = Bench(settings(**changes))
    bench.run(SECOND)
    return bench


def recording_bench(**changes: object) -> Bench:
    bench = ready_bench(**changes)
    bench.start()
    bench.run(4 * SECOND)
    return bench


def test_the_shift_begins_in_a_new_journal_file_before_anything_else() -> None:
    bench = Bench()
    rotate, start, light = bench.effects[:3]
    assert isinstance(rotate, Rotate)
    assert isinstance(start, WriteRecord) and start.record == rec.ShiftStart(
        shift_id=str(bench.machine.shift_id), trigger="auto"
    )
    assert light == Indicate("standby")


def test_standby_is_signed_at_its_rhythm_without_holes() -> None:
    bench = Bench(settings(standby_interval_us=2 * SECOND))
    first = bench.now
    bench.run(9 * SECOND)
    spans = [(r.from_us, r.to_us) for line in bench.lines if isinstance(r := line.record, rec.Standby)]
    assert spans[0][0] == first
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert 4 <= len(spans) <= 6


def test_session_start_is_written_before_the_worker_is_told() -> None:
    bench = ready_bench()
    effects = bench.start()
    kinds = [type(e.record) if isinstance(e, WriteRecord) else type(e) for e in effects]
    assert kinds.index(rec.Standby) < kinds.index(rec.SessionStart) < kinds.index(SendStart)
    (start,) = [e for e in effects if isinstance(e, SendStart)]
    assert start.preroll and start.next_index == 0


def test_the_red_light_says_recording_only_when_there_is_media() -> None:
    bench = ready_bench()
    bench.start()
    assert Indicate("recording") not in bench.effects
    bench.run(SECOND // 10)
    assert bench.indications()[-1] == "recording"


def test_a_second_start_is_refused_by_name() -> None:
    bench = recording_bench()
    (refused,) = bench.start()
    assert isinstance(refused, Refused) and refused.code == "already-recording" and refused.zh and refused.en


def test_stop_and_mark_without_a_recording_are_refused() -> None:
    bench = ready_bench()
    assert [type(e) for e in bench.stop()] == [Refused]
    assert [type(e) for e in bench.mark()] == [Refused]


def test_a_mark_names_the_segments_open_at_that_moment() -> None:
    bench = recording_bench()
    (mark,) = written(bench.mark(), rec.Mark)
    assert mark.segment_ids == (bench.workers["cam0"].segment_id,)
    assert mark.at_us == bench.now and mark.kind == "key"


def test_a_mark_in_a_gap_is_kept_without_a_segment() -> None:
    bench = recording_bench()
    bench.lose("cam0")
    (mark,) = written(bench.mark(), rec.Mark)
    assert mark.segment_ids == ()


def test_stop_ends_the_session_where_the_media_ends() -> None:
    bench = recording_bench()
    bench.stop()
    assert bench.machine.state is State.STOPPING
    bench.run(SECOND // 10)
    stop = only(bench, rec.SessionStop)
    assert (stop.reason, bench.machine.state) == ("button", State.STANDBY)
    assert stop.segment_count == len(bench.records(rec.SegmentOpen))
    assert bench.indications()[-2:] == ["stopped", "standby"]


def test_post_event_time_is_recorded_and_a_start_in_it_is_kept() -> None:
    bench = recording_bench(post_event_us=2 * SECOND)
    bench.stop()
    bench.run(SECOND)
    assert bench.start() == []
    assert [type(e) for e in bench.start()] == [Refused]
    bench.run(2 * SECOND)
    first, second = [line.record for line in bench.lines if isinstance(line.record, rec.SessionStart)]
    assert isinstance(first, rec.SessionStart) and isinstance(second, rec.SessionStart)
    stop = only(bench, rec.SessionStop)
    assert stop.session_id == first.session_id
    assert second.at_us - stop.at_us < SECOND // 4
    assert bench.machine.state is State.RECORDING


def test_a_start_waiting_for_the_post_event_time_can_be_taken_back() -> None:
    bench = recording_bench(post_event_us=2 * SECOND)
    bench.stop()
    bench.start()
    assert bench.stop() == [Indicate("stopped")]
    bench.run(4 * SECOND)
    assert bench.machine.state is State.STANDBY
    assert len(bench.records(rec.SessionStart)) == 1


def test_a_lost_worker_is_recovered_first_and_then_a_gap_from_the_last_media() -> None:
    bench = recording_bench()
    worker = bench.workers["cam0"]
    segment_id, end = worker.segment_id, worker.durable_us
    before = len(bench.effects)
    bench.lose("cam0", "camera-stall")
    effects = bench.effects[before:]
    assert effects[0] == RecoverSegment(str(bench.machine.session_id), str(segment_id), "cam0")
    (gap,) = written(effects, rec.Interruption)
    assert (gap.from_us, gap.from_bootseed, gap.cause, gap.last_segment_id) == (
        end,
        bench.boot,
        "camera-stall",
        segment_id,
    )
    assert effects[-1] == Indicate("interrupted")
    assert bench.machine.gaps == {"cam0": gap.gap_id}


def test_the_first_media_after_a_gap_resumes_with_the_exact_duration() -> None:
    bench = recording_bench()
    bench.lose("cam0", away_us=2 * SECOND)
    bench.run(3 * SECOND)
    gap, back = only(bench, rec.Interruption), only(bench, rec.Resumption)
    opened = [line.record for line in bench.lines if isinstance(line.record, rec.SegmentOpen)][-1]
    assert isinstance(opened, rec.SegmentOpen)
    assert (back.gap_id, back.segment_id, back.to_us) == (gap.gap_id, opened.segment_id, opened.media_start_us)
    assert (back.duration_us, back.duration_basis) == (back.to_us - gap.from_us, "boottime")
    starts = [e for e in bench.effects if isinstance(e, SendStart)]
    assert [s.preroll for s in starts] == [True, False]
    assert starts[1].next_index == opened.segment_index
    assert bench.indications()[-1] == "recording"


def test_the_workers_own_fault_names_the_cause_of_its_end() -> None:
    bench = recording_bench()
    bench.handle(ev.WorkerFault(bench.now, "cam0", "camera-unplugged", "onset"))
    bench.lose("cam0", "worker-crash")
    assert only(bench, rec.Interruption).cause == "camera-unplugged"


def test_a_fault_that_ended_is_no_cause() -> None:
    bench = recording_bench()
    bench.handle(ev.WorkerFault(bench.now, "cam0", "camera-unplugged", "onset"))
    bench.handle(ev.WorkerFault(bench.now, "cam0", "camera-unplugged", "end"))
    bench.handle(ev.WorkerFault(bench.now, "cam0", "not-a-cause", "onset"))
    bench.lose("cam0", "worker-crash")
    assert only(bench, rec.Interruption).cause == "worker-crash"


def test_a_segment_closed_for_a_fault_opens_the_gap_at_once() -> None:
    bench = recording_bench()
    end = bench.workers["cam0"].durable_us
    bench.camera_fault("cam0")
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.cause) == (end, "camera-fault")
    assert bench.indications()[-1] == "interrupted"


def test_media_lost_between_two_segments_is_a_gap_when_the_next_has_media() -> None:
    bench = recording_bench()
    bench.hole("cam0", SECOND)
    bench.run(SECOND)
    gap, back = only(bench, rec.Interruption), only(bench, rec.Resumption)
    assert (back.to_us - gap.from_us, back.duration_us) == (SECOND, SECOND)
    assert gap.cause == "unknown"


def test_adjacent_segments_are_no_gap() -> None:
    bench = recording_bench()
    bench.run(12 * SECOND)
    assert len(bench.records(rec.SegmentOpen)) > 3
    assert not bench.records(rec.Interruption)


def test_a_segment_without_durable_media_ends_no_gap_and_its_worker_s_death_is_one_from_the_last_media_on() -> None:
    bench = recording_bench()
    bench.run(SECOND // 2)
    worker = bench.workers["cam0"]
    end, last = worker.durable_us, worker.segment_id
    bench._open(worker, end + SECOND // 4)
    bench.lose("cam0", away_us=3 * SECOND)
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.last_segment_id) == (end, last)
    bench.run(SECOND)
    assert not bench.records(rec.Resumption)
    bench.run(4 * SECOND)
    assert only(bench, rec.Resumption).gap_id == gap.gap_id


@pytest.mark.parametrize("code", ["storage-io-error", "storage-full", "storage-read-only"])
def test_files_the_disk_took_and_none_of_their_media_are_one_gap_up_to_the_first_media(code: str) -> None:
    """Whatever else is said to be wrong meanwhile: on a busy board a camera seems to stall, and is back, between them."""
    bench = recording_bench()
    worker = bench.workers["cam0"]
    end, last = worker.durable_us, worker.segment_id
    bench.give_up("cam0", vain=4, code=code)
    assert not bench.records(rec.Interruption, rec.Resumption), "nothing is durable yet, the gap goes on"
    bench.run(2 * SECOND)
    gap, back = only(bench, rec.Interruption), only(bench, rec.Resumption)
    assert (gap.from_us, gap.last_segment_id) == (end, last)
    assert gap.cause == ("storage-full" if code == "storage-full" else "storage-fault")
    assert (back.segment_id, back.to_us) == (worker.segment_id, worker.start_us)
    assert back.duration_us == back.to_us - end > 2 * SECOND
    bench.power_off()
    assert holes(bench, "cam0") == []


@pytest.mark.parametrize("recorded", [True, False])
def test_headers_alone_cover_nothing_when_the_power_goes(recorded: bool) -> None:
    """The disk takes the header of each new file and refuses its media, up to a power cut: the gap that the next boot
    records begins where media ended (or, where there was none yet, where standby did), not where the newest header says
    that a file began."""
    bench = recording_bench() if recorded else ready_bench()
    worker = bench.workers["cam0"]
    end = worker.durable_us
    bench.start()
    for _ in range(29):
        worker.segment_id, worker.first_frame_us = None, bench.now
        bench.true_us += 7 * SECOND // 10
        bench._open(worker, bench.now - SECOND // 10)
        bench._durable(worker, worker.start_us)
    assert not bench.records(rec.Interruption)
    if not recorded:
        end = [r.to_us for line in bench.lines if isinstance(r := line.record, rec.Standby)][-1]
    assert bench.now - end > 19 * SECOND
    boot = bench.boot
    bench.power_cut(5 * SECOND)
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.from_bootseed) == (end, boot)
    bench.run(3 * SECOND)
    bench.power_off()
    assert holes(bench, "cam0") == []


def test_what_ends_a_gap_is_on_record_before_the_media_that_ended_it() -> None:
    """A power cut between the two leaves a gap with both ends, and no media behind a hole nobody names."""
    bench = recording_bench()
    bench.give_up("cam0", vain=2)
    bench.run(2 * SECOND)
    kinds = [type(line.record) for line in bench.lines]
    back = kinds.index(rec.Resumption)
    assert kinds[back - 1] is rec.Interruption
    resumed = only(bench, rec.Resumption)
    signed = [
        at
        for at, line in enumerate(bench.lines)
        if isinstance(line.record, rec.Head) and line.record.segment_id == resumed.segment_id
    ]
    assert signed[0] > back
    bench.forget_from(back + 1)
    bench.power_cut(5 * SECOND)
    bench.run(3 * SECOND)
    gaps = [r for line in bench.lines if isinstance(r := line.record, rec.Interruption)]
    assert [gap.from_us for gap in gaps] == [gaps[0].from_us, resumed.to_us]
    bench.power_off()
    assert holes(bench, "cam0") == []


def test_stopping_while_nothing_becomes_durable_is_a_gap_from_the_last_media_on() -> None:
    bench = recording_bench()
    end = bench.workers["cam0"].durable_us
    bench.give_up("cam0", vain=3)
    worker = bench.workers["cam0"]
    worker.segment_id, worker.first_frame_us = None, bench.now + 60 * SECOND
    bench.stop()
    bench.run(20 * SECOND)
    gap = only(bench, rec.Interruption)
    assert gap.from_us == end
    assert bench.machine.state is State.STANDBY
    bench.power_off()
    assert holes(bench, "cam0") == []


def test_pressing_start_without_a_camera_is_a_gap_from_the_press() -> None:
    bench = ready_bench()
    bench.lose("cam0", "camera-unplugged", away_us=3 * SECOND)
    pressed = bench.now
    bench.start()
    gap = only(bench, rec.Interruption)
    assert (gap.from_us, gap.cause, gap.last_segment_id) == (pressed, "camera-unplugged", None)
    bench.run(4 * SECOND)
    assert only(bench, rec.Resumption).gap_id == gap.gap_id
    assert bench.machine.state is State.RECORDING


def test_a_start_before_the_worker_is_up_is_standby_until_the_first_media() -> None:
    bench = Bench(settings(), launch_us=5 * SECOND)
    bench.run(SECOND)
    bench.start()
    bench.run(6 * SECOND)
    opened = only_first(bench, rec.SegmentOpen)
    ends = [r.to_us for line in bench.lines if isinstance(r := line.record, rec.Standby)]
    assert ends[-1] == opened.media_start_us
    assert not bench.records(rec.Interruption)


def only_first(bench: Bench, kind: type[R]) -> R:
    return next(line.record for line in bench.lines if isinstance(line.record, kind))


def test_a_stop_without_media_to_the_end_leaves_a_gap() -> None:
    bench = recording_bench()
    bench.run(SECOND)
    bench.stall("cam0")
    bench.run(SECOND + SECOND // 2)
    end = bench.workers["cam0"].stalled_us
    bench.stop()
    bench.run(SECOND // 10)
    gap, stop = only(bench, rec.Interruption), only(bench, rec.SessionStop)
    assert gap.from_us == end
    assert stop.at_us - gap.from_us >= SECOND


def test_a_worker_deaf_to_stop_is_killed_and_the_session_ends() -> None:
    bench = recording_bench()
    bench.workers["cam0"].ignores_stop = True
    bench.stop()
    bench.run(7 * SECOND)
    assert [e.camera_id for e in bench.effects if isinstance(e, KillWorker)] == ["cam0"]
    assert only(bench, rec.SessionStop).reason == "button"
    assert not bench.state.open_segments


def test_a_worker_that_survives_its_kill_does_not_hold_the_session() -> None:
    bench = recording_bench()
    bench.workers["cam0"].ignores_stop = bench.workers["cam0"].immortal = True
    bench.stop()
    bench.run(11 * SECOND)
    assert only(bench, rec.SessionStop).reason == "button"
    stray = bench.workers["cam0"].segment_id
    bench.lose("cam0")
    assert stray in bench.recovered


def test_media_of_an_ended_session_is_recorded_and_the_worker_told_again() -> None:
    bench = recording_bench()
    worker = bench.workers["cam0"]
    worker.ignores_stop = worker.immortal = True
    bench.stop()
    bench.run(11 * SECOND)
    before = len(bench.effects)
    opened = len(bench.records(rec.SegmentOpen))
    bench.run(4 * SECOND)
    assert len(bench.records(rec.SegmentOpen)) > opened
    assert any(isinstance(e, SendStop) for e in bench.effects[before:])
    assert bench.machine.state is State.STANDBY


def test_media_of_a_camera_given_up_as_silent_still_ends_its_gap_while_the_session_waits_for_another() -> None:
    """The journal is refused for so long that a new worker hears of its start only after the stop and the patience with
    it. What it then records lies in the session, so the gap may not lie over it."""
    bench = recording_bench(cameras=("cam0", "cam1"))
    bench.lose("cam0", away_us=60 * SECOND)
    worker = bench.workers["cam0"]
    worker.phase, worker.first_frame_us = "ready", bench.now + 60 * SECOND  # deaf until the order reaches it
    bench.handle(ev.WorkerReady(bench.now, "cam0"))
    bench.workers["cam1"].ignores_stop = True
    bench.stop()
    bench.run(IDLE_STOP_US + SECOND // 2)
    assert bench.machine.state is State.STOPPING
    worker.first_frame_us = bench.now - SECOND
    bench.run(SECOND // 10)
    bench.workers["cam1"].stop_at_us = bench.now
    bench.run(SECOND // 10)
    resumed, stopped = only(bench, rec.Resumption), only(bench, rec.SessionStop)
    opened = next(r for r in reversed(bench.records(rec.SegmentOpen)) if isinstance(r, rec.SegmentOpen))
    assert (opened.camera_id, resumed.segment_id) == ("cam0", opened.segment_id)
    assert resumed.to_us == opened.media_start_us < stopped.at_us
    assert not [e for e in bench.effects if isinstance(e, KillWorker)], "both answered in time"
    bench.power_off()
    assert holes(bench, "cam0") == holes(bench, "cam1") == []


def test_a_camera_that_reports_late_is_awaited_only_so_long() -> None:
    bench = recording_bench(cameras=("cam0", "cam1"))
    bench.lose("cam0", away_us=60 * SECOND)
    worker = bench.workers["cam0"]
    worker.phase, worker.first_frame_us = "ready", bench.now + 60 * SECOND
    bench.handle(ev.WorkerReady(bench.now, "cam0"))
    worker.ignores_stop = worker.immortal = bench.workers["cam1"].ignores_stop = bench.workers["cam1"].immortal = True
    bench.stop()
    bench.run(IDLE_STOP_US + SECOND // 2)
    worker.first_frame_us, worker.stop_at_us = bench.now - SECOND, None  # it records, and stops for nothing
    bench.run(2 * STOP_GRACE_US + SECOND // 2)
    assert only(bench, rec.SessionStop).reason == "button"
    assert bench.machine.state is State.STANDBY


def test_power_off_stops_the_session_and_ends_the_shift() -> None:
    bench = recording_bench(post_event_us=20 * SECOND)
    bench.power_off()
    assert [e.reason for e in bench.effects if isinstance(e, SendStop)] == ["shutdown"]
    assert only(bench, rec.SessionStop).reason == "shutdown"
    assert bench.lines[-1].record == rec.ShiftEnd(shift_id=only(bench, rec.ShiftStart).shift_id, trigger="power-off")
    assert isinstance(bench.effects[-1], ShutdownComplete)
    assert bench.start() == [] or [type(e) for e in bench.start()] == [Refused]
    assert bench.machine.next_deadline_us() is None


def test_after_power_off_a_start_is_refused() -> None:
    bench = recording_bench()
    bench.handle(ev.PowerOff(bench.now))
    (refused,) = bench.start()
    assert isinstance(refused, Refused) and refused.code == "powering-off"


def test_an_open_session_goes_on_by_itself_after_a_crash() -> None:
    bench = recording_bench()
    session_id, end = bench.machine.session_id, bench.workers["cam0"].durable_us
    bench.crash(2 * SECOND)
    gap = only(bench, rec.Interruption)
    assert (gap.session_id, gap.cause, gap.from_us) == (session_id, "process-crash", end)
    bench.run(2 * SECOND)
    back = only(bench, rec.Resumption)
    assert back.duration_basis == "boottime"
    assert bench.machine.session_id == session_id
    assert len(bench.records(rec.SessionStart)) == 1
    indexes = [r.segment_index for line in bench.lines if isinstance(r := line.record, rec.SegmentOpen)]
    assert indexes == list(range(len(indexes)))


def test_a_power_cut_is_a_gap_by_the_wall_clock() -> None:
    bench = recording_bench()
    boot, end = bench.boot, bench.workers["cam0"].durable_us
    true_end = bench.true_of(boot, end)
    bench.power_cut(30 * SECOND)
    gap = only(bench, rec.Interruption)
    assert (gap.cause, gap.from_us, gap.from_bootseed) == ("power-loss", end, boot)
    bench.run(2 * SECOND)
    back = only(bench, rec.Resumption)
    assert back.duration_basis == "wall"
    assert back.duration_us == bench.true_of(bench.boot, back.to_us) - true_end


def test_a_gap_that_was_open_at_the_crash_stays_the_same_gap() -> None:
    bench = recording_bench()
    bench.lose("cam0", "camera-unplugged", away_us=60 * SECOND)
    gap = only(bench, rec.Interruption)
    bench.crash(SECOND)
    bench.power_cut(SECOND)
    bench.run(2 * SECOND)
    assert only(bench, rec.Interruption) == gap
    assert only(bench, rec.Resumption).gap_id == gap.gap_id


def test_without_resume_the_session_is_abandoned_and_its_gap_ends_with_it() -> None:
    bench = recording_bench(resume_open_recording=False)
    end = bench.workers["cam0"].durable_us
    bench.crash(2 * SECOND)
    assert only(bench, rec.SessionStop).reason == "abandoned"
    assert only(bench, rec.Interruption).from_us == end
    assert bench.machine.state is State.STANDBY
    assert only(bench, rec.ShiftStart)


@pytest.mark.parametrize(
    ("how", "off_s", "vouched", "goes_on"),
    [
        ("crash", 3590, True, True),
        ("crash", 3610, True, False),
        ("crash", 3610, False, False),  # boot-time needs nobody to vouch for it
        ("power-cut", 3590, True, True),
        ("power-cut", 3610, True, False),
        ("power-cut", 3610, False, True),  # a clock nobody vouches for ends no recording
    ],
)
def test_after_too_long_a_time_off_the_session_is_closed_and_its_gap_stays(
    how: str, off_s: int, vouched: bool, goes_on: bool
) -> None:
    bench = recording_bench(resume_within_us=3600 * SECOND)
    bench.vouched = vouched
    end = bench.workers["cam0"].durable_us
    (bench.crash if how == "crash" else bench.power_cut)(off_s * SECOND)
    bench.run(5 * SECOND)
    assert only(bench, rec.Interruption).from_us == end
    stops = [line.record for line in bench.lines if isinstance(line.record, rec.SessionStop)]
    resumed = [line.record for line in bench.lines if isinstance(line.record, rec.Resumption)]
    assert (len(resumed), [stop.reason for stop in stops]) == ((1, []) if goes_on else (0, ["abandoned"]))
    assert bench.machine.state is (State.RECORDING if goes_on else State.STANDBY)


def test_a_session_whose_camera_is_gone_from_the_configuration_is_abandoned() -> None:
    bench = recording_bench()
    bench.settings = settings(cameras=("other",))
    bench.workers = {"other": bench.workers["cam0"]}
    bench.workers["other"].camera_id = "other"
    bench.crash(SECOND)
    assert only(bench, rec.SessionStop).reason == "abandoned"


@pytest.mark.parametrize("how", ["crash", "power-cut"])
def test_the_time_a_unit_was_down_in_standby_is_signed(how: str) -> None:
    bench = Bench()
    bench.run(5 * SECOND)
    boot = bench.boot
    last = [r for line in bench.lines if isinstance(r := line.record, rec.Standby)][-1]
    if how == "crash":
        bench.crash(7 * SECOND)
    else:
        bench.power_cut(7 * SECOND)
    event = only(bench, rec.Event)
    detail = event.detail
    assert (event.event, detail["from_us"], detail["from_bootseed"], detail["to_us"]) == (
        "unit-down",
        last.to_us,
        boot,
        bench.now,
    )
    assert detail["cause"] == ("process-crash" if how == "crash" else "power-loss")
    assert detail["duration_basis"] == ("boottime" if how == "crash" else "wall")
    assert detail["duration_us"] >= 7 * SECOND
    assert len(bench.records(rec.ShiftStart)) == 1


def test_a_new_shift_after_an_orderly_end_owes_nothing_for_the_time_between() -> None:
    bench = Bench()
    bench.run(SECOND)
    bench.power_off()
    bench.power_cut(3600 * SECOND)
    assert not bench.records(rec.Event)
    assert len(bench.records(rec.ShiftStart)) == 2


def test_shifts_by_hand() -> None:
    bench = Bench(settings(auto_shift=False))
    bench.run(5 * SECOND)
    assert not bench.lines
    (refused,) = bench.handle(ev.ShiftEndRequested(bench.now, "officer"))
    assert isinstance(refused, Refused) and refused.code == "no-shift"
    bench.handle(ev.ShiftStartRequested(bench.now, "officer"))
    (refused,) = bench.handle(ev.ShiftStartRequested(bench.now, "officer"))
    assert isinstance(refused, Refused) and refused.code == "shift-open"
    bench.start()
    (refused,) = bench.handle(ev.ShiftEndRequested(bench.now, "officer"))
    assert isinstance(refused, Refused) and refused.code == "recording"
    bench.run(2 * SECOND)
    bench.stop()
    bench.run(SECOND)
    bench.handle(ev.ShiftEndRequested(bench.now, "officer"))
    assert isinstance(bench.lines[-1].record, rec.ShiftEnd)
    assert bench.machine.shift_id is None


def test_a_recording_without_a_shift_begins_one() -> None:
    bench = Bench(settings(auto_shift=False))
    bench.run(SECOND)
    bench.start()
    start = only(bench, rec.SessionStart)
    assert start.shift_id == only(bench, rec.ShiftStart).shift_id


def test_time_that_goes_backwards_changes_nothing() -> None:
    bench = recording_bench()
    lines = len(bench.lines)
    assert bench.machine.handle(ev.Tick(bench.now - 3 * SECOND)) == []
    (mark,) = written(bench.handle(ev.MarkRequested(bench.now - 3 * SECOND)), rec.Mark)
    assert mark.at_us == bench.now
    assert len(bench.lines) == lines + 1


def test_a_worker_ready_twice_is_told_once() -> None:
    bench = recording_bench()
    assert bench.handle(ev.WorkerReady(bench.now, "cam0")) == []


def test_two_cameras_interrupt_and_resume_each_for_itself() -> None:
    bench = recording_bench(cameras=("cam0", "cam1"))
    bench.lose("cam1", "camera-unplugged", away_us=2 * SECOND)
    assert set(bench.machine.gaps) == {"cam1"}
    bench.run(4 * SECOND)
    assert only(bench, rec.Interruption).camera_id == "cam1"
    assert only(bench, rec.Resumption).camera_id == "cam1"
    assert bench.machine.gaps == {}


def test_the_next_deadline_is_when_a_tick_does_something() -> None:
    bench = ready_bench()
    due = bench.machine.next_deadline_us()
    assert due is not None
    assert written(bench.machine.handle(ev.Tick(due - 1)), rec.Standby) == []
    assert len(written(bench.machine.handle(ev.Tick(due)), rec.Standby)) == 1
    recording = recording_bench()
    assert recording.machine.next_deadline_us() is None
    recording.stop()
    assert recording.machine.next_deadline_us() is not None
