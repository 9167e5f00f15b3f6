"""The disk refuses: a segment ends, a fault is reported with its errno, video goes on."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from recorder.capture.audio import AudioTrack
from recorder.capture.packets import AudioPacket
from tests.capture.doubles import FailingFiles, Rig, capture_settings, frame
from tests.capture.footage import film, pictures


def record(rig: Rig, count: int = 600) -> None:
    frames = film(count)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:])
    rig.finish(frames[-1].timestamp_us + 1)


@pytest.mark.parametrize("kind", ["write", "sync"])
def test_one_refused_operation_costs_one_segment_and_less_than_a_gop(tmp_path: Path, kind: str) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60), files=FailingFiles({kind: {6}}))
    record(rig)
    failed, following = rig.opened
    onset, end = rig.faults
    assert (onset.code, onset.phase, onset.evidence["errno"]) == ("storage-io-error", "onset", errno.EIO)
    assert onset.evidence["segment_id"] == failed.segment_id
    assert (end.code, end.phase) == ("storage-io-error", "end")
    assert [closed.segment_id for closed in rig.closed] == [following.segment_id]
    numbers = [picture.number for picture in pictures(rig.path(following))]
    assert numbers[0] is not None and numbers == list(range(numbers[0], 600))
    durable_us = onset.evidence["media_end_us"]
    assert following.media_start_us - durable_us < 1_050_000
    assert rig.closed[0].dropped_frames == sum(
        durable_us <= each.timestamp_us < following.media_start_us for each in film(600)
    )


def test_a_failed_file_is_never_touched_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60), files=FailingFiles({"sync": {6}}))
    frames = film(600)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    at_fault: bytes | None = None
    for each in frames[1:]:
        rig.push([each])
        if rig.faults and at_fault is None:
            at_fault = rig.path(rig.opened[0]).read_bytes()
    rig.finish(frames[-1].timestamp_us + 1)
    assert at_fault is not None and rig.path(rig.opened[0]).read_bytes() == at_fault
    reported = rig.entries(rig.opened[0].segment_id)
    assert reported[-1].offset + reported[-1].length == rig.faults[0].evidence["durable_bytes"] <= len(at_fault)


def test_nothing_is_reported_that_was_not_synced(tmp_path: Path) -> None:
    files = FailingFiles({})
    rig = Rig(tmp_path, capture_settings(segment_s=4), files=files)
    record(rig, 400)
    assert sum(len(rig.entries(opened.segment_id)) for opened in rig.opened) == files.counts["sync"]


def test_a_disk_that_comes_back_gets_what_the_buffer_kept(tmp_path: Path) -> None:
    """Files cannot be created for a while: retries are spaced, and everything from a keyframe on is still there."""
    rig = Rig(tmp_path, capture_settings(segment_s=60), files=FailingFiles({"sync": {6}, "create": {1, 2, 3, 4}}))
    record(rig)
    assert [fault.phase for fault in rig.faults] == ["onset", "end"]
    numbers = [picture.number for picture in pictures(rig.path(rig.opened[-1]))]
    assert numbers[0] is not None and numbers == list(range(numbers[0], 600))
    assert rig.opened[-1].media_start_us - rig.faults[0].evidence["media_end_us"] < 1_050_000
    assert isinstance(rig.files, FailingFiles) and rig.files.counts["create"] == 6


def test_a_dead_disk_ends_the_session_after_its_stop(tmp_path: Path) -> None:
    files = FailingFiles({"create": set(range(1000))})
    rig = Rig(tmp_path, capture_settings(segment_s=60), files=files)
    frames = film(200)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:])
    rig.finish(frames[-1].timestamp_us + 1, after_us=4_000_000)
    assert [fault.phase for fault in rig.faults if fault.code == "storage-io-error"] == ["onset"]
    lost = [fault.evidence["frames_not_durable"] for fault in rig.faults if fault.code == "media-lost"]
    assert lost == [200, 200]
    assert not rig.completed
    assert 3 < files.counts["create"] < 20, "it is tried more than once a second, not all the time"


def test_the_journals_reserve_is_not_eaten(tmp_path: Path) -> None:
    files = FailingFiles({})
    rig = Rig(tmp_path, capture_settings(segment_s=60), files=files, reserve=1 << 20)
    frames = film(400)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:100])
    files.free = (1 << 20) + 65535
    rig.push(frames[100:200])
    assert rig.faults[0].code == "storage-full" and rig.faults[0].evidence["errno"] == errno.ENOSPC
    files.free = None
    rig.clock.now_us += 3_000_000
    rig.push(frames[200:])
    rig.finish(frames[-1].timestamp_us + 1)
    assert [fault.phase for fault in rig.faults] == ["onset", "end"]


def test_overflow_closes_the_segment_and_counts_what_is_missing(tmp_path: Path) -> None:
    """The writer is away (a disk that hangs) until the buffer has overflowed: whole GOPs are missing, and said to be."""
    rig = Rig(tmp_path, capture_settings(segment_s=60, buffer_mb=4))
    frames = film(30)
    key, delta = frames[0], frames[1]
    rig.push([key])
    rig.start(key.timestamp_us + 1)
    rig.push([delta])
    base = frames[29].timestamp_us
    stream = [frame(base + n * 33_333, n % 30 == 0, 60_000 if n else len(key.data)) for n in range(1, 300)]
    # Real parameter sets in front of every keyframe, so that a segment can begin there.
    stream = [
        type(each)(key.data + each.data, True, each.timestamp_us, each.sensor) if each.keyframe else each
        for each in stream
    ]
    rig.push(stream, step=False)
    lost = rig.log.state().lost_frames
    assert lost > 100
    rig.settle()
    rig.finish(stream[-1].timestamp_us + 1)
    assert [closed.reason for closed in rig.closed] == ["overflow", "stop"]
    assert rig.closed[1].dropped_frames == lost
    assert rig.closed[0].frames + rig.closed[1].frames + lost == 2 + len(stream)


def test_a_slow_disk_and_running_sound_do_not_end_a_session_early(tmp_path: Path) -> None:
    """A write of a second at the moment of the stop: the frames from before it are still in the queue, sound in front."""
    frames = film(200)
    rig = Rig(tmp_path, capture_settings(segment_s=60), audio=AudioTrack(48_000, 64_000).stream)
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:100])
    rig.push([AudioPacket(b"\x21\x00", frames[99].timestamp_us + 1, 21_333), *frames[100:150]], step=False)
    rig.stop(frames[149].timestamp_us + 1)
    rig.clock.now_us += 1_000_000
    rig.settle()
    rig.push(frames[150:])
    assert rig.ended()
    assert rig.closed[0].frames == 150
