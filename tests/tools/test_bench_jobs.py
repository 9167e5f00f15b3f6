"""The bench's jobs on a few seconds of video: they record, sign and count what they say. Nothing here is timed."""

from __future__ import annotations

import queue
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import EncodedFrame, VideoMode
from recorder.evidence.verify.command import verify
from tests.support import require_module, require_program
from tools.bench.footage import FRAME_RATE, Footage, Shape, footage, repeated
from tools.bench.model import MeasurementError
from tools.bench.packet_file import read
from tools.bench.rows.preroll import padding_of
from tools.bench.workshop import Workshop

SECONDS = 3


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    require_program("ffmpeg")
    return Workshop(SystemClock(), tmp_path_factory.mktemp("bench"), True, lambda _: None)


@pytest.fixture(scope="module")
def stream(shop: Workshop) -> Footage:
    return footage(shop, Shape(SECONDS, 320, 180, 500))


def test_footage_is_what_encoders_deliver(shop: Workshop, stream: Footage) -> None:
    packets = list(read(stream.packets))
    frames = [packet for packet in packets if packet.video]
    assert len(frames) == SECONDS * FRAME_RATE
    assert [number for number, frame in enumerate(frames) if frame.keyframe] == [0, FRAME_RATE, 2 * FRAME_RATE]
    assert all(frame.data.startswith(b"\x00\x00\x00\x01") for frame in frames)
    assert b"\x00\x00\x00\x01\x67" in frames[FRAME_RATE].data  # parameter sets on every keyframe
    assert [packet.at_us for packet in packets] == sorted(packet.at_us for packet in packets)
    made = stream.mp4.stat().st_mtime_ns
    assert footage(shop, Shape(SECONDS, 320, 180, 500)) == stream and stream.mp4.stat().st_mtime_ns == made
    assert repeated(shop, stream, 2).stat().st_size > 1.9 * stream.mp4.stat().st_size


def test_the_capture_job_leaves_a_unit_a_verifier_believes(shop: Workshop, stream: Footage) -> None:
    with shop.folder("capture") as out:
        size = ["--size", "320", "180", "--segment-s", "2"]
        _, answer = shop.job("capture", str(stream.packets), str(out), "--times", "2", "--channel", *size)
        assert answer["segments"] == 3
        report = verify(out / "unit", out / "trust", None).to_json()
        assert report["axes"]["integrity"] == "intact" and report["axes"]["key"] == "trusted"
        files = sorted((out / "unit" / "segments").rglob("*.age"))
        assert sum(path.stat().st_size for path in files) == answer["stored"] > answer["payload"]


def test_an_empty_capture_only_starts(shop: Workshop, stream: Footage) -> None:
    with shop.folder("capture") as out:
        _, answer = shop.job("capture", str(stream.packets), str(out), "--times", "0")
        assert (answer["segments"], answer["payload"]) == (0, 0)


def test_padding_of_a_real_segment(shop: Workshop, stream: Footage) -> None:
    with shop.folder("padding") as out:
        shop.job("capture", str(stream.packets), str(out), "--plain", "--size", "320", "180")
        (path,) = (out / "unit" / "segments").rglob("*.mp4")
        free, rest = padding_of(path.read_bytes())
        assert free + rest == path.stat().st_size
        assert rest > sum(len(packet.data) for packet in read(stream.packets)) > rest * 0.9


@pytest.mark.parametrize("ppm", ["200", "-200"])
def test_the_splits_job_counts_every_frame(shop: Workshop, stream: Footage, ppm: str) -> None:
    with shop.folder("splits") as out:
        _, answer = shop.job("splits", str(stream.packets), str(out), "--seconds", "70", "--ppm", ppm)
    assert answer["fed"] == answer["in_files"] == 70 * FRAME_RATE
    assert (answer["missing"], answer["repeated"], answer["out_of_order"], answer["lost_tones"]) == (0, 0, 0, 0)
    assert answer["segments"] == 2
    # 200 ppm over a minute of samples is 12 ms for who ignores time stamps; the instrument has to see it.
    assert 8 < answer["straight_ms"] < 16 and answer["stamped_ms"] < 5


def test_the_preroll_job_holds_what_it_was_asked_to(shop: Workshop, stream: Footage) -> None:
    _, answer = shop.job("preroll", str(stream.packets), "--pre-s", "1", "--turns", "2")
    total = sum(len(packet.data) for packet in read(stream.packets))
    assert total / 4 < answer["payload"] < total and answer["frames"] == 2 * SECONDS * FRAME_RATE


def test_a_job_that_fails_says_why(shop: Workshop, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="no-such-file"):
        shop.job("preroll", str(tmp_path / "no-such-file"))


def test_the_replayed_encoder_gives_the_file_s_pictures_at_the_camera_s_times(shop: Workshop, stream: Footage) -> None:
    require_module("picamera2")
    from tools.bench.picamera2_board import capture_board

    board = capture_board({"encoder": str(stream.packets)}, "cam0")
    frames: queue.SimpleQueue[EncodedFrame] = queue.SimpleQueue()
    board.camera.start(VideoMode(320, 180, FRAME_RATE, 500_000, FRAME_RATE), None, frames.put)
    expected = [packet for packet in read(stream.packets) if packet.video]
    got = [frames.get(timeout=20) for _ in range(40)]
    board.close()
    assert [frame.data for frame in got] == [packet.data for packet in expected[:40]]
    assert [frame.keyframe for frame in got[:31]] == [True, *([False] * 29), True]
    assert got[39].timestamp_us - got[0].timestamp_us >= 39 * 33_333


def test_the_overlay_job_times_every_frame_with_and_without(shop: Workshop) -> None:
    require_module("picamera2")
    _, answer = shop.job("overlay", "--seconds", "0.7", "--size", "320", "180")
    assert min(len(answer["bare_us"]), len(answer["marked_us"])) > 10
    assert answer["marked_us"] == sorted(answer["marked_us"])


def test_the_mqtt_job_connects_every_unit_in_every_round_both_ways(shop: Workshop) -> None:
    require_program("mosquitto")
    with shop.folder("mqtt") as out:
        _, answer = shop.job("mqtt", str(out), "--units", "3", "--count", "2")
    assert answer["units"] == 3
    assert len(answer["ours_s"]) == len(answer["paho_s"]) == 2
    assert min(*answer["ours_s"], *answer["paho_s"]) > 0


def test_the_ingest_job_gives_what_its_row_asks_for(tmp_path: Path) -> None:
    require_program("curl")
    require_program("/usr/sbin/nginx")
    shop = Workshop(SystemClock(), tmp_path, True, lambda _: None)
    options = ("--megabytes", "1", "--count", "1", "--streams", "2", "--creates", "3")
    _, answer = shop.job("ingest", str(tmp_path), *options)
    assert (len(answer["ours_s"]), len(answer["dav_s"]), len(answer["peaks"])) == (1, 1, 2)
    assert (answer["size"], answer["creates"]) == (1_000_000, 6)
    assert min(answer["peaks"]) > 10_000_000
    assert min(*answer["ours_s"], *answer["dav_s"], answer["all_s"], answer["creates_s"]) > 0
