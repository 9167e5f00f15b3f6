"""The traps of picamera2, each sprung on the real library: what the driver makes of it (table in docs/testing.md)."""

from __future__ import annotations

import ast
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firmware_bridge.ports import DeviceError, EncodedFrame, Plane, VideoMode
from firmware_bridge.raspberry_pi import camera as driver
from firmware_bridge.raspberry_pi.camera import Picamera2Camera
from tests.firmware_bridge.raspberry_pi.camera_rig import (
    MODE,
    Frames,
    TestSensor,
    counters,
    make_camera,
    plugged_in,
    until,
)

if TYPE_CHECKING:
    from firmware_bridge.raspberry_pi.camera_encoders import EncoderMaker

DRIVER = Path(driver.__file__).parent
STOP_S = 3
"""``ports.Camera.stop`` returns within this, whatever happens."""


@pytest.fixture
def sensor() -> Iterator[TestSensor]:
    sensor = TestSensor()
    with plugged_in(sensor):
        yield sensor


@pytest.fixture
def camera(sensor: TestSensor) -> Iterator[Picamera2Camera]:
    camera = make_camera()
    yield camera
    camera.stop()


def stop_in_time(camera: Picamera2Camera) -> None:
    stopping = threading.Thread(target=camera.stop, daemon=True)
    stopping.start()
    stopping.join(STOP_S)
    assert not stopping.is_alive()


def stopped(camera: Picamera2Camera) -> bool:
    """Whether what was left behind has ended by now."""
    camera.stop()
    return camera._run is None


def works_again(camera: Picamera2Camera) -> None:
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(5)
    camera.stop()
    assert camera.failure() is None


# --- T1: an exception in a callback ends picamera2's loop in silence --------------------------------------------------


def test_t1_a_painter_that_raises_costs_the_mark_and_nothing_else(
    camera: Picamera2Camera, sensor: TestSensor, caplog: pytest.LogCaptureFixture
) -> None:
    def paint(luma: Plane, timestamp_us: int) -> None:
        raise ValueError("no ink")

    frames = Frames()
    camera.start(MODE, paint, frames.add)
    frames.wait_for(40)
    failures = camera.paint_failures()
    camera.stop()
    assert camera.failure() is None and failures >= 40
    assert counters(frames.all) == sensor.shown[: len(frames.all)]
    assert caplog.text.count("watermark failed") == 1, "said once, not thirty times a second"


def test_t1_a_consumer_that_raises_is_a_failure_and_the_camera_can_be_used_again(camera: Picamera2Camera) -> None:
    delivered: list[EncodedFrame] = []

    def deliver(frame: EncodedFrame) -> None:
        if len(delivered) == 5:
            raise RuntimeError("full")
        delivered.append(frame)

    camera.start(MODE, None, deliver)
    until(camera.failure)
    assert "RuntimeError: full" in str(camera.failure())
    stop_in_time(camera)
    assert len(delivered) == 5
    works_again(camera)


def test_t1_an_exception_in_picamera2_s_loop_is_a_failure_and_stop_does_not_hang(
    camera: Picamera2Camera, sensor: TestSensor
) -> None:
    """Upstream's loop would be dead now, and ``Picamera2.stop`` wait for it for ever."""
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(3)
    sensor.state = "error"  # queue_request raises, inside process_requests
    until(camera.failure)
    stop_in_time(camera)
    sensor.state = "ok"
    works_again(camera)


def test_t1_the_output_never_raises(sensor: TestSensor) -> None:
    from firmware_bridge.raspberry_pi.camera_encoders import FrameOutput

    def deliver(data: bytes, keyframe: bool, sensor_us: int) -> None:
        raise KeyError("anything")

    failures: list[Exception] = []
    output = FrameOutput(deliver, failures.append)
    output.outputframe(b"\0\0\0\1", True, 33_333)  # no encoder yet either
    output.outputframe(b"\0\0\0\1", True, None)
    assert [type(failure) for failure in failures] == [AttributeError, AssertionError]


# --- T2: a blocked output blocks the camera ---------------------------------------------------------------------------


def test_t2_a_consumer_that_blocks_does_not_hold_up_the_camera(camera: Picamera2Camera, sensor: TestSensor) -> None:
    let_go = threading.Event()

    def deliver(frame: EncodedFrame) -> None:
        let_go.wait(60)

    camera.start(MODE, None, deliver)
    until(lambda: len(sensor.shown) > 3)
    shown = len(sensor.shown)
    until(lambda: len(sensor.shown) > shown + 30)
    assert camera.failure() is None
    stop_in_time(camera)
    assert "did not stop" in str(camera.failure())
    let_go.set()
    works_again(camera)


def encoder_that(does: Callable[[int], None]) -> EncoderMaker:
    """libx264, but ``does`` is called with the number of each frame before it is encoded."""
    from firmware_bridge.raspberry_pi.camera_encoders import SoftwareEncoder

    class Encoder(SoftwareEncoder):
        n = 0

        def _encode(self, stream: Any, request: Any) -> None:
            does(self.n)
            self.n += 1
            super()._encode(stream, request)

    return lambda mode, failed: Encoder(mode, 1)


def test_t1_an_encoder_that_raises_is_a_failure_and_the_camera_can_be_used_again(sensor: TestSensor) -> None:
    def does(n: int) -> None:
        if n == 5:
            raise OSError(errno.EIO, "codec")

    camera, frames = make_camera(encoder=encoder_that(does)), Frames()
    camera.start(MODE, None, frames.add)
    until(camera.failure)
    failure = camera.failure()
    assert failure is not None and failure.errno == errno.EIO and "codec" in str(failure)
    stop_in_time(camera)
    until(lambda: stopped(camera))  # on a busy machine it may have been left behind
    works_again(make_camera())


def test_what_the_encoder_swallows_is_counted(sensor: TestSensor) -> None:
    """Upstream passes over a buffer that holds parameter sets and no picture, which a dark scene makes at a low rate."""
    from firmware_bridge.raspberry_pi.camera_encoders import SoftwareEncoder

    class Swallowing(SoftwareEncoder):
        n = 0

        def outputframe(self, *arguments: Any, **named: Any) -> None:
            self.n += 1
            if self.n % 5:
                super().outputframe(*arguments, **named)

    camera, frames = make_camera(encoder=lambda mode, failed: Swallowing(mode, 1)), Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(20)
    camera.stop()
    came = {frame.timestamp_us for frame in frames.all}
    taken = {n * 1_000_000 // MODE.frame_rate for n in sensor.shown}
    assert camera.dropped_frames() == len([at_us for at_us in taken - came if at_us < max(came)]) >= 4


def test_an_encoder_that_stalls_is_left_behind(sensor: TestSensor) -> None:
    """As a codec that returns no buffers: picamera2's loop waits for them without a time-out, under the encoder's lock."""
    stalled, let_go = threading.Event(), threading.Event()

    def does(n: int) -> None:
        if n == 5:
            stalled.set()
            let_go.wait(60)

    camera = make_camera(encoder=encoder_that(does))
    camera.start(MODE, None, lambda frame: None)
    assert stalled.wait(20)
    stop_in_time(camera)
    assert "did not stop" in str(camera.failure())
    with pytest.raises(DeviceError, match="hung"):  # two openings of one camera are none
        camera.start(MODE, None, lambda frame: None)
    let_go.set()
    until(lambda: stopped(camera))
    works_again(camera)


def test_a_sensor_that_hangs_is_left_behind(camera: Picamera2Camera, sensor: TestSensor) -> None:
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(3)
    sensor.state = "hung"
    stop_in_time(camera)
    assert "did not stop" in str(camera.failure())
    sensor.state = "ok"
    until(lambda: stopped(camera))
    works_again(camera)


def test_a_stall_is_silence_and_no_failure(camera: Picamera2Camera, sensor: TestSensor) -> None:
    """Nobody reports it, so the driver does not either: the worker sees that no frames come."""
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(3)
    sensor.state = "stuck"
    shown, pause = len(sensor.shown), threading.Event()
    pause.wait(1.5)
    assert len(sensor.shown) <= shown + 1 and camera.failure() is None
    stop_in_time(camera)
    assert camera.failure() is None


# --- T3 to T6, T12: picamera2's outputs and its sound are not used ----------------------------------------------------


def test_t3_t4_t5_t6_no_output_of_picamera2_but_the_base_class() -> None:
    imported = {
        node.module: {alias.name for alias in node.names}
        for path in DRIVER.glob("camera*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("picamera2")
    }
    assert imported["picamera2.outputs.output"] == {"Output"}
    assert not [module for module in imported if module.startswith("picamera2.outputs") and module[-6:] != "output"]
    assert imported["picamera2"] == {"MappedArray", "Picamera2"}


def test_t12_the_encoder_opens_no_sound(sensor: TestSensor) -> None:
    from firmware_bridge.raspberry_pi.camera_encoders import make_encoder

    assert make_encoder("v4l2", MODE, 1, lambda error: None).audio is False
    assert make_encoder("libx264", MODE, 1, lambda error: None).audio is False


# --- T7: force_key_frame is a TypeError since PyAV 14 -----------------------------------------------------------------


def test_t7_a_keyframe_on_demand_on_the_libx264_path(sensor: TestSensor) -> None:
    from picamera2 import Picamera2

    from firmware_bridge.raspberry_pi.camera_encoders import FrameOutput, SoftwareEncoder
    from firmware_bridge.raspberry_pi.camera_loop import EventLoop

    failures: list[Exception] = []
    keyframes: list[bool] = []
    asked_at: list[int] = []
    done = threading.Event()
    encoder = SoftwareEncoder(VideoMode(320, 180, 30, 800_000, 300), 1)

    def deliver(data: bytes, keyframe: bool, sensor_us: int) -> None:
        keyframes.append(keyframe)
        if len(keyframes) == 10:
            asked_at.append(len(keyframes))
            encoder.force_key_frame()
        if len(keyframes) == 25:
            done.set()

    output = FrameOutput(deliver, failures.append)
    output.encoder = encoder
    camera = Picamera2(0)
    camera.configure(camera.create_video_configuration(main={"size": (320, 180), "format": "YUV420"}, raw=None))
    camera.start_preview(EventLoop(failures.append))
    camera.start_encoder(encoder, output)
    camera.start()
    try:
        assert done.wait(20)
    finally:
        camera.stop()
        camera.stop_encoder()
        camera.close()
    assert failures == [] and [n for n, key in enumerate(keyframes[:25]) if key] == [0, asked_at[0]]


# --- T14: the platform found decides which class H264Encoder is -------------------------------------------------------


def test_t14_the_encoder_is_the_one_that_was_asked_for(sensor: TestSensor) -> None:
    from picamera2.encoders.libav_h264_encoder import LibavH264Encoder
    from picamera2.encoders.v4l2_encoder import V4L2Encoder

    from firmware_bridge.raspberry_pi.camera_encoders import make_encoder

    starved = VideoMode(320, 180, 25, 1_000, 25)
    hardware = make_encoder("v4l2", starved, 1, lambda error: None)
    software = make_encoder("libx264", starved, 3, lambda error: None)
    assert isinstance(hardware, V4L2Encoder) and isinstance(software, LibavH264Encoder)
    assert software.threads == 3
    for encoder in (hardware, software):
        # A period of None is the codec's own, SPS and PPS only once make a segment that cannot be played.
        assert (encoder.iperiod, encoder.repeat, encoder.framerate, encoder.bitrate) == (25, True, 25, 500_000)


def test_t14_an_encoder_that_is_not_there_is_no_unplugged_camera(sensor: TestSensor) -> None:
    camera = make_camera(encoder="v4l2")
    with pytest.raises(DeviceError, match="/dev/video11") as caught:
        camera.start(MODE, None, lambda frame: None)
    assert caught.value.errno is None
    works_again(make_camera())


def test_the_hardware_encoder_s_thread_does_not_end_in_silence(sensor: TestSensor) -> None:
    from firmware_bridge.raspberry_pi.camera_encoders import HardwareEncoder

    failures: list[Exception] = []
    HardwareEncoder(MODE, failures.append).thread_poll(None)  # without a device: its ioctl fails
    assert len(failures) == 1
