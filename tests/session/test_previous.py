"""What the end of a journal means to the next start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from recorder.evidence import records as rec
from recorder.evidence.state import JournalState
from recorder.session.events import Moment
from recorder.session.previous import previous_of
from tests.session.rig import SECOND, Bench, settings, uid

FAULT = {"fault_id": uid(7), "code": "x", "phase": "onset", "component": "c", "onset_us": 0, "evidence": {}}


def test_an_empty_journal_says_nothing() -> None:
    assert previous_of(JournalState()) is None


def test_a_record_does_not_account_for_the_time_before_it() -> None:
    bench = Bench(settings(standby_interval_us=10 * SECOND))
    bench.run(SECOND)
    standby_until = bench.state.quiet_until
    bench.run(5 * SECOND)
    bench.write(rec.Fault.model_validate(FAULT))
    previous = previous_of(bench.state)
    assert previous is not None and standby_until is not None
    assert previous.accounted.at_us == standby_until.at_us < bench.now
    assert previous.shift_id == bench.machine.shift_id


def test_right_after_the_session_its_end_is_what_counts() -> None:
    bench = Bench()
    bench.run(SECOND)
    bench.start()
    bench.run(30 * SECOND)
    assert bench.machine.session_id is not None
    bench.write(rec.SessionStop(session_id=bench.machine.session_id, reason="button", at_us=bench.now, segment_count=1))
    previous = previous_of(bench.state)
    assert previous is not None
    ended = Moment(bench.now, bench.boot, bench.wall)
    assert previous.accounted == ended
    bench.write(rec.Fault.model_validate(FAULT))  # the standby behind both was not written any more
    previous = previous_of(bench.state)
    assert previous is not None and previous.accounted == ended


def test_the_open_session_with_its_cameras_and_gaps() -> None:
    bench = Bench(settings(cameras=("cam0", "cam1")))
    bench.run(SECOND)
    bench.start()
    bench.run(4 * SECOND)
    end = bench.workers["cam0"].durable_us
    last = bench.workers["cam0"].segment_id
    bench.lose("cam1", "camera-unplugged", away_us=60 * SECOND)
    previous = previous_of(bench.state)
    assert previous is not None and previous.session is not None
    cam0, cam1 = previous.session.cameras["cam0"], previous.session.cameras["cam1"]
    assert cam0.media_end == Moment(end, bench.boot, bench.wall - (bench.now - end))
    assert (cam0.last_segment_id, cam0.next_index, cam0.gap) == (last, bench.workers["cam0"].index, None)
    assert cam1.gap is not None and cam1.gap.gap_id == bench.machine.gaps["cam1"]
    assert previous.session.segment_count == len(bench.records(rec.SegmentOpen))


def test_of_two_boots_the_newer_one_counts() -> None:
    bench = Bench()
    bench.run(5 * SECOND)
    bench.power_cut(SECOND)
    previous = previous_of(bench.state)
    assert previous is not None
    assert previous.accounted.bootseed == bench.boot


@pytest.mark.parametrize("end", [Bench.crash, Bench.power_cut], ids=["process", "power"])
def test_a_gap_behind_files_with_no_more_than_their_headers_names_the_last_one_with_media(
    end: Callable[[Bench, int], None],
) -> None:
    bench = Bench()
    bench.run(SECOND)
    bench.start()
    bench.run(4 * SECOND)
    worker = bench.workers["cam0"]
    durable_us, last = worker.durable_us, worker.segment_id
    for n in range(3):
        bench._open(worker, durable_us + n * SECOND // 4)
    assert worker.segment_id != last
    end(bench, 10 * SECOND)
    (gap,) = bench.records(rec.Interruption)
    assert isinstance(gap, rec.Interruption)
    assert (gap.from_us, gap.last_segment_id) == (durable_us, last)


def test_media_that_ended_a_gap_and_was_not_signed_any_more_is_still_the_last() -> None:
    """The ``resumption`` is written before the ``head`` of its media: a power cut may leave it the last line."""
    bench = Bench()
    bench.run(SECOND)
    bench.start()
    bench.run(4 * SECOND)
    bench.lose("cam0")
    bench.run(4 * SECOND)
    (back,) = bench.records(rec.Resumption)
    assert isinstance(back, rec.Resumption)
    after = next(n for n, line in enumerate(bench.lines) if line.record is back) + 1
    bench.forget_from(after)
    bench.power_cut(10 * SECOND)
    gap = bench.records(rec.Interruption)[-1]
    assert isinstance(gap, rec.Interruption) and gap.gap_id != back.gap_id
    assert (gap.from_us, gap.last_segment_id) == (back.to_us, back.segment_id)
