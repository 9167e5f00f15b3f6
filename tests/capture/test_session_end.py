"""How a session ends when something is wrong at that very moment: nothing durable is lost, nobody waits for ever.

The rule the unit process relies on: a session ends with a ``closed`` that says ``last_of_session``, or with the end of the
worker. What a failed disk left behind is then recovered, not waited for.
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from recorder.capture.session import Session
from recorder.channel.messages import EntryWritten, Opened, Start
from tests.capture.doubles import SESSION, FailingFiles, ManualClock, Rig, capture_settings
from tests.capture.footage import film, pictures


def recording(directory: Path, files: FailingFiles, count: int, *, preroll: int = 0, segment_s: float = 60) -> Rig:
    """A session of ``count`` frames of the 400-frame film, the first ``preroll`` of them before the press."""
    frames = film(400)
    rig = Rig(directory, capture_settings(segment_s=segment_s, pre_event_s=10), files=files)
    before = max(1, preroll)
    rig.push(frames[:before])
    rig.start(frames[before - 1].timestamp_us + 1, preroll=preroll > 0)
    rig.push(frames[before:count])
    return rig


def numbers(rig: Rig, opened: Opened) -> list[int | None]:
    return [picture.number for picture in pictures(rig.path(opened))]


# --- the camera fails while the disk is behind -------------------------------------------------------------------------


def test_frames_still_in_the_queue_when_the_camera_fails_are_written_first(tmp_path: Path) -> None:
    """The failure is told on another way than the frames: closing at once lost every frame that still waited, because
    none of them could begin a new segment."""
    frames = film(400)
    rig = recording(tmp_path, FailingFiles({}), 100)
    rig.push(frames[100:140], step=False)  # a sync takes 1.3 s
    assert rig.session is not None
    rig.session.camera_failed()
    rig.settle()
    rig.clock.now_us += 200_000
    rig.settle()
    assert [closed.reason for closed in rig.closed] == ["camera-fault"]
    assert rig.closed[0].frames == 140
    rig.push(frames[150:200])  # it came back; its first keyframe is 150
    rig.finish(frames[199].timestamp_us + 1)
    assert [closed.frames for closed in rig.closed] == [140, 50]


def test_a_camera_that_fails_and_stays_away_still_lets_the_session_end(tmp_path: Path) -> None:
    rig = recording(tmp_path, FailingFiles({}), 100)
    assert rig.session is not None
    rig.session.camera_failed()
    rig.clock.now_us += 500_000
    rig.settle()
    rig.finish(rig.clock.now_us)
    assert [closed.last_of_session for closed in rig.closed] == [False]
    assert not rig.completed  # so the worker ends, and the unit need not wait


# --- the disk fails at the stop ----------------------------------------------------------------------------------------


def test_a_disk_that_fails_at_the_stop_for_a_moment_costs_no_frame_of_the_queue(tmp_path: Path) -> None:
    """The officer stops while the disk refuses: what waits is written when it is back, within the patience the unit has."""
    frames = film(400)
    files = FailingFiles({})
    rig = recording(tmp_path, files, 100)
    files.broken = True
    rig.push(frames[100:160])
    rig.stop(frames[159].timestamp_us + 1)
    for _ in range(10):
        rig.settle()
        rig.clock.now_us += 100_000
    assert not rig.ended()
    files.broken = False
    rig.push(frames[160:200])
    for _ in range(100):
        rig.settle()
        rig.clock.now_us += 50_000
    assert rig.ended() and rig.completed
    first, second = rig.opened[0], rig.opened[-1]
    assert second.segment_id != first.segment_id
    written = numbers(rig, second)
    assert written[0] in (90, 120) and written == list(range(written[0], 160))  # from the first keyframe on
    assert [(closed.segment_id, closed.last_of_session) for closed in rig.closed] == [(second.segment_id, True)]


def test_a_disk_that_stays_broken_at_the_stop_does_not_hang_the_session(tmp_path: Path) -> None:
    frames = film(400)
    files = FailingFiles({})
    rig = recording(tmp_path, files, 100)
    durable = [report for report in rig.reports if isinstance(report, EntryWritten)]
    files.broken = True
    rig.push(frames[100:160])
    stopped_us = frames[159].timestamp_us + 1
    rig.stop(stopped_us)
    while not rig.ended() and rig.clock.now_us < stopped_us + 4_500_000:  # the unit kills at 5 s
        rig.settle()
        rig.clock.now_us += 50_000
    assert rig.ended()
    assert not rig.completed and not rig.closed
    assert [report for report in rig.reports if isinstance(report, EntryWritten)] == durable
    assert {fault.phase for fault in rig.faults if fault.code == "storage-io-error"} == {"onset"}
    lost = next(fault for fault in rig.faults if fault.code == "media-lost")
    assert lost.evidence["frames_not_durable"] >= 60
    data = rig.path(rig.opened[0]).read_bytes()
    assert len(data) == sum(entry.length for entry in durable)  # never touched again


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_the_last_write_fails_and_what_it_held_goes_into_another_segment(tmp_path: Path, number: int) -> None:
    """With a keyframe in it the last fragment can still be saved, and the session ends in order."""
    frames = film(400)
    files = FailingFiles({}, number)
    rig = recording(tmp_path, files, 100)
    for size in range(101, 130):
        if rig.entries(rig.opened[0].segment_id)[-1].media_end_us <= frames[90].timestamp_us and size >= 100:
            break
        rig.push(frames[size - 1 : size])
    last = size - 2
    files.plan = {"write": {files.counts["write"]}}
    rig.finish(frames[last].timestamp_us + 1)
    if rig.completed:
        assert [closed.last_of_session for closed in rig.closed] == [True]
        assert numbers(rig, rig.opened[-1])[-1] == last
    assert next(fault.phase for fault in rig.faults) == "onset"


def test_the_final_chunk_alone_fails(tmp_path: Path) -> None:
    """All media is durable, only the end of the file is not: recovery closes it, no frame is written twice."""
    files = FailingFiles({})
    rig = recording(tmp_path, files, 100)
    files.plan = {"write": {files.counts["write"] + 1}}  # the last fragment, then the final box
    rig.finish(film(400)[99].timestamp_us + 1)
    assert not rig.completed and not rig.closed
    entries = rig.entries(rig.opened[0].segment_id)
    assert entries[-1].media_end_us == film(400)[99].timestamp_us + 33_333
    assert len(rig.opened) == 1


def test_a_close_that_fails_is_not_repeated(tmp_path: Path) -> None:
    """close(2) frees the descriptor even when it reports an error: a second close could hit somebody else's file."""
    files = FailingFiles({"close": {0}})
    rig = recording(tmp_path, files, 100)
    rig.finish(film(400)[99].timestamp_us + 1)
    assert files.counts["close"] == 1
    assert rig.faults[0].evidence["errno"] == errno.EIO


# --- faults have an end ------------------------------------------------------------------------------------------------


def test_a_fault_of_the_live_stream_ends_with_the_next_success_of_any(tmp_path: Path) -> None:
    """The live stream's disk fault was never ended when the session did: the alarm stayed on for ever."""
    frames = film(400)
    files = FailingFiles({})
    rig = recording(tmp_path, files, 100)
    files.broken = True
    rig.push(frames[100:130])
    rig.finish(frames[129].timestamp_us + 1, after_us=6_000_000)
    files.broken = False
    rig.push(frames[130:160])
    second = "22222222-2222-4222-8222-222222222222"
    rig.start(rig.clock.now_us, session_id=second)
    rig.push(
        [type(each)(each.data, each.keyframe, each.timestamp_us + 8_000_000, each.sensor) for each in frames[150:240]]
    )
    assert [fault.phase for fault in rig.faults][-1] == "end"


def test_a_fault_that_changes_its_kind_ends_the_first(tmp_path: Path) -> None:
    frames = film(400)
    files = FailingFiles({})
    rig = recording(tmp_path, files, 100)
    files.broken = True
    rig.push(frames[100:130])
    files.broken, files.free = False, 0
    rig.push(frames[130:200])
    files.free = None
    rig.clock.now_us += 3_000_000
    rig.push(frames[200:300])
    assert [(fault.code, fault.phase) for fault in rig.faults] == [
        ("storage-io-error", "onset"),
        ("storage-io-error", "end"),
        ("storage-full", "onset"),
        ("storage-full", "end"),
    ]


# --- the pre-roll at the end -------------------------------------------------------------------------------------------


def with_preroll(directory: Path, files: FailingFiles) -> Rig:
    """Frames 30-59 are the pre-roll, 60-75 live; the pre-roll's file is open and holds all its frames but the last."""
    rig = Rig(directory, capture_settings(segment_s=60, pre_event_s=1), files=files)
    rig.push(film(400)[:75])
    rig.start(film(400)[74].timestamp_us + 1, preroll=True)
    rig.push(film(400)[75:80])
    assert {opened.role for opened in rig.opened} == {"live", "preroll"} and not rig.closed
    return rig


@pytest.mark.parametrize("back_after", [85, 130, 150])
def test_a_preroll_the_disk_refuses_at_its_end_is_tried_again(tmp_path: Path, back_after: int) -> None:
    """Its last frames had left the log and waited in the stream: with nothing in the log it was taken for finished, by
    its own end and by the session's."""
    frames = film(400)
    files = FailingFiles({})
    rig = with_preroll(tmp_path, files)
    files.broken = True
    rig.push(frames[80:back_after])
    if back_after == 150:
        rig.stop(frames[149].timestamp_us + 1)
        rig.push(frames[150:160])
    files.broken = False
    if back_after == 150:
        for _ in range(100):
            rig.settle()
            rig.clock.now_us += 50_000
        assert rig.ended()
    else:
        rig.push(frames[back_after:200])
        rig.finish(frames[199].timestamp_us + 1)
    assert rig.completed and sum(closed.last_of_session for closed in rig.closed) == 1
    last = 149 if back_after == 150 else 199
    written: set[int | None] = set()
    for opened in rig.opened:
        torn = rig.path(opened).read_bytes()[: sum(entry.length for entry in rig.entries(opened.segment_id))]
        (tmp_path / "durable.mp4").write_bytes(torn)
        found = {picture.number for picture in pictures(tmp_path / "durable.mp4")}
        assert not written & found
        written |= found
    missing = sorted(set(range(30, last + 1)) - {number for number in written if number is not None})
    # At most what was not durable, up to the next keyframe, in each of the two streams.
    assert len([number for number in missing if number < 60]) < 25
    assert len([number for number in missing if number >= 60]) < 45


class SlowFiles(FailingFiles):
    """Each sync takes 0.3 s."""

    clock: ManualClock

    def _fail(self, kind: str) -> None:
        super()._fail(kind)
        if kind == "sync":
            self.clock.now_us += 300_000


def test_a_preroll_that_is_given_up_says_so(tmp_path: Path) -> None:
    """Slow is not broken: without a refused write there was no fault, and the frames were gone in silence."""
    frames = film(400)
    files = SlowFiles({})
    rig = Rig(tmp_path, capture_settings(segment_s=60, pre_event_s=20), files=files)
    files.clock = rig.clock
    rig.push(frames[:300])
    pressed_us = rig.clock.now_us = frames[299].timestamp_us + 1
    message = Start(camera_id="cam0", at_us=pressed_us, session_id=SESSION, next_index=0, preroll=True)
    session = Session(rig.context, rig.log, rig.capture, message, None)
    session.stop(pressed_us, "stop")
    for _ in range(1000):
        if not session.step(0.0):
            break
        rig.clock.now_us += 20_000
    assert rig.clock.now_us - pressed_us < 5_000_000  # then the unit kills
    assert session.completed and rig.closed[-1].last_of_session
    fault = rig.faults[0]
    assert (fault.code, fault.phase) == ("media-lost", "onset")
    written = sum(closed.frames for closed in rig.closed)
    assert 0 < fault.evidence["frames_not_durable"] <= 300 - written
