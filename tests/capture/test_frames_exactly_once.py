"""The heart of the matter: every frame of a session is in its files exactly once, in order, with its time."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path

import av
import pytest

from firmware_bridge.ports import EncodedFrame
from recorder.capture.boxes import TELEMETRY_UUID, walk
from recorder.capture.cutting import CHUNK
from recorder.capture.splitting import Role
from recorder.channel.messages import EntryWritten
from tests.capture.doubles import Rig, capture_settings
from tests.capture.footage import START_US, film, pictures
from tests.support import require_program


def check_frames(rig: Rig, frames: tuple[EncodedFrame, ...], first: int, last: int) -> None:
    """Files, by media time, hold exactly the frames first..last, each at its own time stamp."""
    numbers: list[int | None] = []
    for opened in rig.opened:
        found = pictures(rig.path(opened))
        assert found[0].key and found[0].time_us == 0
        for picture in found:
            assert picture.number is not None
            timestamp_us = frames[picture.number].timestamp_us
            assert abs(opened.media_start_us + picture.time_us - timestamp_us) <= 12  # a tick of 1/90000 s
        numbers += [picture.number for picture in found]
    assert numbers == list(range(first, last + 1))


def record(rig: Rig, frames: tuple[EncodedFrame, ...]) -> None:
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:])
    rig.finish(frames[-1].timestamp_us + 1)


def test_split_session(tmp_path: Path) -> None:
    frames = film(1000)
    rig = Rig(tmp_path, capture_settings(segment_s=10))
    record(rig, frames)
    check_frames(rig, frames, 0, 999)
    assert [closed.frames for closed in rig.closed] == [300, 300, 300, 100]
    assert [closed.reason for closed in rig.closed] == ["split", "split", "split", "stop"]
    assert [closed.last_of_session for closed in rig.closed] == [False, False, False, True]
    assert [opened.segment_index for opened in rig.opened] == [0, 1, 2, 3]
    assert not rig.faults


@pytest.mark.slow
def test_ten_minutes_faster_than_real_time(tmp_path: Path) -> None:
    frames = film(18_000)
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    record(rig, frames)
    check_frames(rig, frames, 0, 17_999)
    assert [closed.frames for closed in rig.closed] == [1800] * 10


def test_media_times_meet_without_hole_or_overlap(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=4))
    record(rig, film(400))
    for before, after in itertools.pairwise(rig.closed):
        assert before.media_end_us == after.media_start_us


def test_preroll_is_exact_and_ends_where_live_begins(tmp_path: Path) -> None:
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(pre_event_s=5, segment_s=60))
    rig.push(frames[:315])
    rig.start(frames[314].timestamp_us + 1, preroll=True)
    rig.push(frames[315:])
    rig.finish(frames[-1].timestamp_us + 1)
    roles: list[tuple[Role, int]] = [(opened.role, opened.segment_index) for opened in rig.opened]
    assert roles == [("preroll", 1), ("live", 0)]
    live = rig.opened[1]
    assert live.media_start_us == frames[300].timestamp_us  # the newest keyframe not after the press
    check_frames(rig, frames, 150, 399)
    preroll = next(closed for closed in rig.closed if closed.reason == "preroll-complete")
    assert preroll.media_end_us == live.media_start_us
    assert sum(closed.last_of_session for closed in rig.closed) == 1 and rig.closed[-1].last_of_session


def test_live_is_durable_before_the_preroll_is_written(tmp_path: Path) -> None:
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(pre_event_s=5, segment_s=60))
    rig.push(frames[:315])
    rig.start(frames[314].timestamp_us + 1, preroll=True)
    rig.push(frames[315:330])
    live, preroll = rig.opened[1], rig.opened[0]
    order = [report.segment_id for report in rig.reports if isinstance(report, EntryWritten)]
    assert order[:2] == [live.segment_id] * 2
    assert rig.entries(live.segment_id)[1].media_end_us == frames[314].timestamp_us  # all but the frame held back
    assert preroll.segment_id in order


def test_without_preroll_the_ring_is_forgotten(tmp_path: Path) -> None:
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(pre_event_s=5, segment_s=60))
    rig.push(frames[:315])
    rig.start(frames[314].timestamp_us + 1, preroll=False)
    rig.push(frames[315:])
    rig.finish(frames[-1].timestamp_us + 1)
    check_frames(rig, frames, 300, 399)
    assert [closed.last_of_session for closed in rig.closed] == [True]


def test_stop_ends_with_the_last_frame_not_after_it(tmp_path: Path) -> None:
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:200])
    rig.stop(frames[199].timestamp_us + 100)
    rig.push(frames[200:])
    assert rig.ended()
    check_frames(rig, frames, 0, 199)
    assert rig.closed[-1].media_end_us == frames[200].timestamp_us


def test_post_event_is_a_segment_of_its_own(tmp_path: Path) -> None:
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(segment_s=60, post_event_s=3))
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:200])
    rig.stop(frames[199].timestamp_us + 100)
    rig.push(frames[200:])
    assert rig.ended()
    assert [opened.role for opened in rig.opened] == ["live", "postroll"]
    assert rig.opened[1].media_start_us == frames[210].timestamp_us
    end_us = frames[199].timestamp_us + 100 + 3_000_000
    check_frames(rig, frames, 0, sum(frame.timestamp_us <= end_us for frame in frames) - 1)


def test_pause_and_resume(tmp_path: Path) -> None:
    """Two sessions, the second with what the ring kept since the first: no frame twice, none out of order."""
    frames = film(1000)
    rig = Rig(tmp_path, capture_settings(segment_s=60, pre_event_s=2))
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:200])
    rig.stop(frames[199].timestamp_us + 100)
    rig.push(frames[200:400])
    second = "22222222-2222-4222-8222-222222222222"
    rig.start(frames[399].timestamp_us + 1, preroll=True, session_id=second)
    rig.push(frames[400:500])
    rig.finish(frames[499].timestamp_us + 1)
    numbers = [[picture.number for picture in pictures(rig.path(opened))] for opened in rig.opened]
    assert numbers == [list(range(200)), list(range(330, 390)), list(range(390, 500))]


def test_keyframe_behind_the_stop_stays_for_the_next_session(tmp_path: Path) -> None:
    """The frame that told the stop was a keyframe: it goes back into the ring with all that follows it."""
    frames = film(400)
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    rig.push(frames[:1])
    rig.start(frames[0].timestamp_us + 1)
    rig.push(frames[1:210])
    rig.stop(frames[209].timestamp_us + 100)
    rig.push(frames[210:225])
    assert rig.ended()
    rig.start(frames[224].timestamp_us + 1, session_id="22222222-2222-4222-8222-222222222222")
    rig.push(frames[225:300])
    rig.finish(frames[299].timestamp_us + 1)
    check_frames(rig, frames, 0, 299)


def test_entries_tile_the_file_in_whole_chunks(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=4))
    record(rig, film(400))
    for closed in rig.closed:
        entries = rig.entries(closed.segment_id)
        offset = 0
        for number, entry in enumerate(entries):
            assert (entry.entry, entry.offset) == (number, offset)
            assert entry.length % CHUNK == 0 or number == len(entries) - 1
            offset += entry.length
        assert entries[-1].length == 8
        assert offset == closed.size == (rig.directory / closed.session_id / f"{closed.segment_id}.mp4").stat().st_size
        assert len(entries) == closed.entries


def test_each_fragment_carries_its_telemetry(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    rig.dropped = 3
    record(rig, film(200))
    data = rig.path(rig.opened[0]).read_bytes()
    kinds = [box.kind for box in walk(data)]
    assert kinds == [b"ftyp", b"moov", b"free", *[b"moof", b"mdat", b"uuid", b"free"] * kinds.count(b"moof"), b"free"]
    times = []
    for box in walk(data):
        if box.kind == b"uuid":
            assert data[box.offset + 8 : box.offset + 24] == TELEMETRY_UUID.bytes
            content = json.loads(data[box.offset + 24 : box.offset + box.size])
            times.append((content["from_us"], content["to_us"]))
            assert (content["exposure_us"], content["gain"], content["dropped_frames"]) == (10_000, 2.0, 3)
            assert content["stale"] and content["position_stale"]  # nobody told anything
    assert times[0][0] == film(200)[0].timestamp_us
    assert all(before[1] == after[0] for before, after in itertools.pairwise(times))


def test_standard_programs_play_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    record(rig, film(200))
    path = rig.path(rig.opened[0])
    probe = subprocess.run(
        [
            require_program("ffprobe"),
            "-v",
            "error",
            "-count_frames",
            "-of",
            "json",
            "-show_streams",
            "-show_format",
            path,
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert probe.stderr == ""
    shown = json.loads(probe.stdout)
    assert shown["streams"][0]["nb_read_frames"] == "200"
    assert shown["format"]["tags"]["boottime_us"] == str(rig.opened[0].media_start_us)
    assert float(shown["format"]["start_time"]) == 0


def test_header_is_the_real_encoders(tmp_path: Path) -> None:
    """T5, T15: the parameter sets in ``avcC`` are those of the stream, byte for byte."""
    frames = film(200)
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    record(rig, frames)
    with av.open(str(rig.path(rig.opened[0]))) as container:
        extradata = container.streams.video[0].codec_context.extradata
    assert extradata is not None
    length = int.from_bytes(extradata[6:8], "big")
    assert extradata[8 : 8 + length] in frames[0].data
    assert rig.opened[0].codecs == f"avc1.{extradata[1:4].hex()}"


def test_a_cut_file_plays_up_to_its_last_whole_entry(tmp_path: Path) -> None:
    """T9: a cut inside ``moof`` makes the whole file unopenable; at an entry's end nothing is lost."""
    rig = Rig(tmp_path, capture_settings(segment_s=60))
    record(rig, film(200))
    opened = rig.opened[0]
    data = rig.path(opened).read_bytes()
    entry = rig.entries(opened.segment_id)[3]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: entry.offset + entry.length])
    expected = [f for f in film(200) if f.timestamp_us < entry.media_end_us]
    assert [picture.number for picture in pictures(cut)] == list(range(len(expected)))
    following = entry.offset + entry.length
    moof = int.from_bytes(data[following : following + 4], "big")
    cut.write_bytes(data[: following + moof - 4])
    with pytest.raises(av.FFmpegError):
        pictures(cut)


def test_time_base_is_the_first_frame(tmp_path: Path) -> None:
    """T6: every segment starts at 0, its absolute place stands in the tags."""
    rig = Rig(tmp_path, capture_settings(segment_s=4))
    record(rig, film(400))
    assert len(rig.opened) == 4
    for opened in rig.opened:
        with av.open(str(rig.path(opened))) as container:
            assert container.start_time == 0
            assert container.metadata["boottime_us"] == str(opened.media_start_us)
            assert int(container.metadata["boottime_us"]) >= START_US - 300
