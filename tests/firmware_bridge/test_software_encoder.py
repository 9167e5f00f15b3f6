from __future__ import annotations

import itertools
import threading

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from firmware_bridge.ports import DeviceError, EncodedFrame, Plane, VideoMode
from firmware_bridge.software_encoder import RawFrame, SoftwareEncodedCamera
from tests.capture.doubles import ManualClock
from tests.capture.footage import SMALL, CounterSource, encode, film

SPS, PPS, IDR, SLICE = 7, 8, 5, 1


def nal_types(data: bytes) -> list[int]:
    return [part[0] & 0x1F for part in data.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")[1:]]


def test_stream_is_what_the_port_promises() -> None:
    frames = film(200)
    for number, frame in enumerate(frames):
        assert frame.keyframe == (number % SMALL.gop == 0)
        types = nal_types(frame.data)
        assert (SPS in types and PPS in types and IDR in types) == frame.keyframe
        assert frame.data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01"))
    times = [frame.timestamp_us for frame in frames]
    assert all(before < after for before, after in itertools.pairwise(times))
    decoder = av.VideoCodecContext.create("h264", "r")
    pictures = [picture for frame in frames for picture in decoder.decode(av.Packet(frame.data))]
    assert {picture.pict_type for picture in pictures} == {PictureType.I, PictureType.P}  # no B: order is display order


def test_rate_is_held() -> None:
    mode = VideoMode(320, 180, 30, 800_000, 30)
    frames = encode(CounterSource(300), mode)
    assert 0.5 < sum(len(frame.data) for frame in frames) * 8 / 10 / mode.bitrate < 1.3


def test_bitrate_has_a_floor() -> None:
    starved = VideoMode(320, 180, 30, 1_000, 30)
    floor = VideoMode(320, 180, 30, 500_000, 30)
    sizes = [[len(frame.data) for frame in encode(CounterSource(60), mode)] for mode in (starved, floor)]
    assert sizes[0] == sizes[1]


def test_a_failing_painter_is_counted_and_video_goes_on() -> None:
    def paint(luma: Plane, timestamp_us: int) -> None:
        raise RuntimeError("no ink")

    source = CounterSource(50)
    camera = SoftwareEncodedCamera(source, ManualClock())
    frames: list[EncodedFrame] = []
    camera.start(SMALL, paint, frames.append)
    assert source.finished.wait(20)
    camera.stop()
    assert (len(frames), camera.paint_failures(), camera.failure()) == (50, 50, None)


def test_the_painter_gets_luma_and_time() -> None:
    seen: list[tuple[tuple[int, ...], int]] = []
    source = CounterSource(3)
    camera = SoftwareEncodedCamera(source, ManualClock())
    frames: list[EncodedFrame] = []
    camera.start(SMALL, lambda luma, timestamp_us: seen.append((luma.shape, timestamp_us)), frames.append)
    assert source.finished.wait(20)
    camera.stop()
    assert seen == [((180, 320), frame.timestamp_us) for frame in frames]


class Dying(CounterSource):
    def next_frame(self, timeout_s: float) -> RawFrame | None:
        raw = super().next_frame(timeout_s)
        if raw is None:
            raise DeviceError("camera", "unplugged", 19)
        return raw


def test_a_device_that_goes_is_a_failure() -> None:
    source = Dying(5)
    camera = SoftwareEncodedCamera(source, ManualClock())
    frames: list[EncodedFrame] = []
    camera.start(SMALL, None, frames.append)
    assert source.closed.wait(20)
    failure = camera.failure()
    assert failure is not None and failure.errno == 19 and len(frames) == 5
    camera.stop()


class Backwards(CounterSource):
    def next_frame(self, timeout_s: float) -> RawFrame | None:
        raw = super().next_frame(timeout_s)
        return RawFrame(raw.y, raw.u, raw.v, 1000, raw.sensor) if raw is not None else None


def test_time_that_does_not_advance_is_dropped_and_counted() -> None:
    source = Backwards(10)
    camera = SoftwareEncodedCamera(source, ManualClock())
    frames: list[EncodedFrame] = []
    camera.start(SMALL, None, frames.append)
    assert source.finished.wait(20)
    camera.stop()
    assert (len(frames), camera.dropped_frames()) == (1, 9)


class Stuck(CounterSource):
    """A driver call that does not come back, until the test lets go."""

    def __init__(self) -> None:
        super().__init__(0)
        self.let_go = threading.Event()

    def next_frame(self, timeout_s: float) -> RawFrame | None:
        self.let_go.wait(30)
        return None


def test_stop_returns_although_the_driver_hangs() -> None:
    source = Stuck()
    camera = SoftwareEncodedCamera(source, ManualClock())
    camera.start(SMALL, None, lambda frame: None)
    stopping = threading.Thread(target=camera.stop)
    stopping.start()
    stopping.join(3)
    assert not stopping.is_alive()
    assert camera.failure() is not None
    with pytest.raises(DeviceError, match="hung"):  # two threads must never read one source
        camera.start(SMALL, None, lambda frame: None)
    source.let_go.set()
    assert source.closed.wait(5)


def test_starting_twice_is_refused_and_stopping_twice_is_not() -> None:
    source = CounterSource(1)
    camera = SoftwareEncodedCamera(source, ManualClock())
    camera.start(SMALL, None, lambda frame: None)
    with pytest.raises(DeviceError, match="already started"):
        camera.start(SMALL, None, lambda frame: None)
    camera.stop()
    camera.stop()


class Gone(CounterSource):
    def next_frame(self, timeout_s: float) -> RawFrame | None:
        raise DeviceError("camera", "unplugged", 19)


def test_a_camera_that_failed_can_be_started_again() -> None:
    source = Gone(1)
    camera = SoftwareEncodedCamera(source, ManualClock())
    for _ in range(2):
        source.closed.clear()
        camera.start(SMALL, None, lambda frame: None)
        assert source.closed.wait(5)
        camera.stop()
        failure = camera.failure()
        assert failure is not None and failure.errno == 19


def test_an_impossible_mode_is_a_device_error() -> None:
    camera = SoftwareEncodedCamera(CounterSource(1), ManualClock())
    with pytest.raises(DeviceError):
        camera.start(VideoMode(321, 181, 30, 500_000, 30), None, lambda frame: None)


def test_picture_type_trap() -> None:
    """T7: PyAV 14 and later take the enumeration only; picamera2's string raises and, inside its loop, kills the camera."""
    frame = av.VideoFrame.from_ndarray(np.zeros((48, 32), np.uint8), format="gray")
    frame.pict_type = PictureType.I
    with pytest.raises(TypeError):
        frame.pict_type = "I"  # type: ignore[assignment]
