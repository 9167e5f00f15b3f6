"""The camera driver on the real picamera2 and the real libx264; below them the stand-in libcamera."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError, EncodedFrame, Plane, VideoMode
from firmware_bridge.raspberry_pi.camera import Picamera2Camera, attached_cameras
from tests.firmware_bridge.raspberry_pi.camera_rig import (
    MODE,
    Frames,
    TestSensor,
    counters,
    decoded,
    make_camera,
    plugged_in,
    until,
)
from tests.firmware_bridge.test_software_encoder import IDR, PPS, SPS, nal_types
from tests.support import require_module

if TYPE_CHECKING:
    from hw_sim.libcamera_stand_in.sensor import Condition


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


def record(camera: Picamera2Camera, count: int, mode: VideoMode = MODE) -> list[EncodedFrame]:
    """At least ``count`` frames, all there are until the camera has stopped."""
    frames = Frames()
    camera.start(mode, None, frames.add)
    frames.wait_for(count)
    camera.stop()
    assert camera.failure() is None
    return frames.all


def test_every_frame_exactly_once_with_its_own_time(camera: Picamera2Camera, sensor: TestSensor) -> None:
    frames = record(camera, 60)
    seen = counters(frames)
    assert seen == sensor.shown[: len(seen)] and len(sensor.shown) - len(seen) <= 6, "the rest was on its way"
    for number, frame in zip(seen, frames, strict=True):
        assert number is not None and frame.timestamp_us == number * 1_000_000 // MODE.frame_rate
        assert frame.sensor.exposure_us == 10_000 + number % 100
        assert (frame.sensor.analogue_gain, frame.sensor.lux) == (2.0, 120.0)


def test_the_stream_is_what_the_port_promises(camera: Picamera2Camera) -> None:
    frames = record(camera, 50)
    for number, frame in enumerate(frames):
        assert frame.keyframe == (number % MODE.gop == 0)
        types = nal_types(frame.data)
        assert (SPS in types and PPS in types and IDR in types) == frame.keyframe
        assert frame.data.startswith((b"\x00\x00\x01", b"\x00\x00\x00\x01"))
    times = [frame.timestamp_us for frame in frames]
    assert all(before < after for before, after in itertools.pairwise(times))


def test_a_width_that_is_no_multiple_of_the_stride(sensor: TestSensor) -> None:
    """360 pixels in lines of 384 bytes: the painter gets 360, and the encoder sees none of the rest."""
    camera, frames, shapes = make_camera(), Frames(), set[tuple[int, ...]]()

    def paint(luma: Plane, timestamp_us: int) -> None:
        shapes.add(luma.shape)

    camera.start(VideoMode(360, 200, 60, 800_000, 15), paint, frames.add)
    frames.wait_for(20)
    camera.stop()
    assert shapes == {(200, 360)} and {luma.shape for luma in decoded(frames.all)} == {(200, 360)}
    assert counters(frames.all) == sensor.shown[: len(frames.all)]


@pytest.mark.parametrize("width", [320, 360])
def test_a_camera_that_only_does_nv12(width: int) -> None:
    """libcamera's virtual camera and many USB ones; the luma plane stands in front there too."""
    sensor = TestSensor(pixel_formats=("NV12",))
    with plugged_in(sensor):
        frames = record(make_camera(), 20, VideoMode(width, 200, 60, 800_000, 15))
    assert counters(frames) == sensor.shown[: len(frames)]


def test_paint_is_applied_once_to_each_frame_with_the_frame_s_time(camera: Picamera2Camera) -> None:
    painted: list[int] = []

    def paint(luma: Plane, timestamp_us: int) -> None:
        painted.append(timestamp_us)
        luma[100:140, 100:140] += 40  # twice would be brighter still
        luma[140:160, 100:140] = 235

    frames = Frames()
    camera.start(MODE, paint, frames.add)
    frames.wait_for(40)
    camera.stop()
    assert painted[: len(frames.all)] == [frame.timestamp_us for frame in frames.all]
    for luma in decoded(frames.all):
        assert 150 < luma[105:135, 105:135].mean() < 170 and luma[145:155, 105:135].mean() > 225


def test_rotation_is_asked_of_libcamera(sensor: TestSensor) -> None:
    from hw_sim.libcamera_stand_in.camera import CameraManager
    from hw_sim.libcamera_stand_in.values import Orientation

    for rotation, expected in ((0, Orientation.Rotate0), (180, Orientation.Rotate180)):
        camera, frames = make_camera(rotation=rotation), Frames()
        camera.start(MODE, None, frames.add)
        frames.wait_for(1)
        configuration = CameraManager.singleton().cameras[0]._configuration
        assert configuration is not None and configuration.orientation is expected
        camera.stop()
    with pytest.raises(DeviceError, match="90"):
        make_camera(rotation=90)


def test_controls_that_are_not_advertised_are_left_out(sensor: TestSensor, caplog: pytest.LogCaptureFixture) -> None:
    camera = make_camera(controls={"AfMode": 2, "ExposureValue": 0.5})
    record(camera, 3)
    assert "AfMode" in caplog.text and "ExposureValue" not in caplog.text


@pytest.mark.parametrize("call", ["configure", "start"])
def test_controls_that_are_refused_are_told_and_then_left_out(
    sensor: TestSensor, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    from hw_sim.libcamera_stand_in.camera import CameraManager
    from hw_sim.libcamera_stand_in.control_ids import CONTROLS

    (device,) = CameraManager.singleton().cameras
    configure, start = device.configure, device.start
    unwanted = CONTROLS["ExposureValue"]

    def gone_with_the_configuration(configuration: Any) -> None:
        configure(configuration)
        device.controls.pop(unwanted, None)

    def refusing(controls: Any = None) -> None:
        if unwanted in (controls or {}):
            raise RuntimeError("Unable to cast Python instance to C++ type")
        start(controls)

    if call == "configure":
        monkeypatch.setattr(device, "configure", gone_with_the_configuration)
    else:
        monkeypatch.setattr(device, "start", refusing)
    camera = make_camera(controls={"ExposureValue": 0.5})
    with pytest.raises(DeviceError, match="without controls: ExposureValue"):
        camera.start(MODE, None, lambda frame: None)
    assert record(camera, 3)


def test_bitrate_has_a_floor(sensor: TestSensor) -> None:
    starved = record(make_camera(), 45, VideoMode(320, 180, 60, 1_000, 15))
    assert sum(len(frame.data) for frame in starved[15:45]) * 8 > 150_000, "1 kbit/s was asked for"


def test_frames_the_sensor_loses_are_counted(camera: Picamera2Camera, sensor: TestSensor) -> None:
    """A painter that takes 0.4 s, twice: the buffers fill up, the sensor goes on."""
    calls, pause = itertools.count(), threading.Event()

    def paint(luma: Plane, timestamp_us: int) -> None:
        if next(calls) in (10, 25):
            pause.wait(0.4)

    frames = Frames()
    camera.start(MODE, paint, frames.add)
    frames.wait_for(45)
    camera.stop()
    numbers = [number for number in counters(frames.all) if number is not None]
    holes = numbers[-1] - numbers[0] + 1 - len(numbers)
    assert len(numbers) == len(frames.all) and holes >= 8
    assert camera.dropped_frames() == holes


def test_a_camera_restarts_after_stop(camera: Picamera2Camera, sensor: TestSensor) -> None:
    for _ in range(3):
        frames = record(camera, 5)
        assert frames[0].keyframe
    camera.stop()


def test_starting_twice_is_refused_and_stopping_twice_is_not(camera: Picamera2Camera) -> None:
    frames = Frames()
    camera.start(MODE, None, frames.add)
    with pytest.raises(DeviceError, match="already started"):
        camera.start(MODE, None, frames.add)
    frames.wait_for(3)
    camera.stop()
    camera.stop()


def test_no_camera_is_a_device_that_is_not_there() -> None:
    with plugged_in():
        camera = make_camera()
        with pytest.raises(DeviceError, match="no such camera") as caught:
            camera.start(MODE, None, lambda frame: None)
    assert caught.value.errno == errno.ENODEV and camera.failure() is None


def test_a_camera_that_comes_late_is_found(sensor: TestSensor) -> None:
    camera = make_camera()
    sensor.state = "off"
    with pytest.raises(DeviceError):
        camera.start(MODE, None, lambda frame: None)
    sensor.state = "ok"
    assert record(camera, 3)


@pytest.mark.parametrize("mode", [VideoMode(321, 181, 60, 800_000, 30), VideoMode(9216, 6912, 10, 800_000, 30)])
def test_an_impossible_mode_is_a_device_error(camera: Picamera2Camera, mode: VideoMode) -> None:
    with pytest.raises(DeviceError, match=str(mode.width)):
        camera.start(mode, None, lambda frame: None)
    assert record(camera, 3), "and the camera is free again"


def test_unplugging_is_a_failure_and_plugging_in_again_is_not(camera: Picamera2Camera, sensor: TestSensor) -> None:
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(5)
    sensor.state = "off"
    until(camera.failure)
    failure = camera.failure()
    assert failure is not None and failure.errno == errno.ENODEV
    camera.stop()
    sensor.state = "ok"
    assert record(camera, 5)


def test_a_camera_pulled_out_under_picamera2_s_hands_is_unplugged_as_well(sensor: TestSensor) -> None:
    """The loop gives a buffer back to a camera that is gone: the error has no number, and the camera is not listed."""
    calls = itertools.count()

    def paint(luma: Plane, timestamp_us: int) -> None:
        if next(calls) == 5:
            sensor.state = "off"

    camera = make_camera()
    camera.start(MODE, paint, lambda frame: None)
    until(camera.failure)
    failure = camera.failure()
    assert failure is not None and failure.errno == errno.ENODEV
    camera.stop()


def test_an_error_of_the_kernel_is_a_failure(camera: Picamera2Camera, sensor: TestSensor) -> None:
    frames = Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(5)
    sensor.state = "error"
    until(camera.failure)
    assert "Input/output error" in str(camera.failure())
    camera.stop()
    sensor.state = "ok"
    assert record(camera, 5)


def test_sensor_time_that_is_not_boot_time_is_shifted(sensor: TestSensor) -> None:
    """The receiver's CLOCK_MONOTONIC after an hour of sleep."""
    sensor.clock_shift_us = -3_600_000_000
    clock, camera, frames = SystemClock(), make_camera(), Frames()
    camera.start(MODE, None, frames.add)
    frames.wait_for(10)
    camera.stop()
    ages = [clock.boottime_us() - frame.timestamp_us for frame in frames.all]
    assert all(0 < age < 60_000_000 for age in ages)
    steps = {after.timestamp_us - before.timestamp_us for before, after in itertools.pairwise(frames.all)}
    assert min(steps) >= 16_666


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_looking_for_a_camera_in_vain_leaves_nothing_open(sensor: TestSensor) -> None:
    """Every few seconds, for a whole shift."""
    from hw_sim.libcamera_stand_in.camera import CameraManager

    camera = make_camera()
    record(camera, 1)
    before = descriptors()
    sensor.state = "off"
    for _ in range(5):
        with pytest.raises(DeviceError):
            camera.start(MODE, None, lambda frame: None)
    sensor.state = "ok"
    (taken,) = CameraManager.singleton().cameras
    taken.acquire()  # somebody else has it
    for _ in range(5):
        with pytest.raises(DeviceError, match="busy"):
            camera.start(MODE, None, lambda frame: None)
    taken.release()
    for _ in range(3):
        record(camera, 1)
    assert descriptors() <= before


def test_the_tuning_file_is_told_before_libcamera_looks(
    sensor: TestSensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str | None] = []

    class Looking(TestSensor):
        def condition(self) -> Condition:
            told.append(os.environ.get("LIBCAMERA_RPI_TUNING_FILE"))
            return super().condition()

    monkeypatch.delenv("LIBCAMERA_RPI_TUNING_FILE", raising=False)
    tuning = tmp_path / "imx708_noir.json"
    camera = make_camera(tuning_file=str(tuning))
    record(camera, 1)
    assert "no tuning file" in caplog.text and "LIBCAMERA_RPI_TUNING_FILE" not in os.environ, "recording goes on"
    tuning.write_text("{}")
    with plugged_in(Looking()):
        record(camera, 1)
    assert set(told) == {str(tuning)}


@pytest.mark.parametrize(
    "breaks", ["ImportError('no libcamera here')", "ValueError('numpy.dtype size changed')", "RuntimeError('no ABI')"]
)
def test_a_machine_without_libcamera_says_what_to_install_and_is_not_to_be_restarted(
    tmp_path: Path, breaks: str
) -> None:
    """In a process of its own, without the stand-in."""
    require_module("picamera2")
    code = """
import errno
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError, VideoMode
from firmware_bridge.raspberry_pi.camera import Picamera2Camera, attached_cameras
camera = Picamera2Camera(0, "v4l2", SystemClock())
for call in (attached_cameras, lambda: camera.start(VideoMode(640, 360, 60, 1, 1), None, print)):
    try:
        call()
    except DeviceError as error:
        assert "python3-picamera2" in str(error) and error.errno == errno.ENODEV, error
    else:
        raise AssertionError(call)
camera.stop()
assert camera.failure() is None
"""
    (tmp_path / "libcamera.py").write_text(f"raise {breaks}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_a_library_that_could_not_be_read_is_tried_again(sensor: TestSensor) -> None:
    """No new process is started for a camera that is not there."""
    camera = make_camera()
    camera._library = DeviceError("camera 0", "EIO")
    assert record(camera, 3)


def test_a_camera_of_a_model_is_looked_up_at_each_opening() -> None:
    front, back = TestSensor("/base/i2c@1/imx708@1a"), TestSensor("/base/i2c@0/imx219@10", "imx219")
    back.state = "off"
    with plugged_in(front, back):
        camera = Picamera2Camera("imx219", "libx264", SystemClock())
        with pytest.raises(DeviceError, match=r"imx219.*there are: 0: imx708") as caught:
            camera.start(MODE, None, lambda frame: None)
        assert caught.value.errno == errno.ENODEV
        back.state = "ok"
        assert record(camera, 3)
        front.state = "off"
        assert record(camera, 3), "which has another number now"
    assert back.shown and not front.shown


def test_two_cameras_and_their_names() -> None:
    front, back = TestSensor("/base/i2c@1/imx708@1a"), TestSensor("/base/i2c@0/imx219@10", "imx219")
    with plugged_in(front, back):
        assert [(found.num, found.model) for found in attached_cameras()] == [(0, "imx708"), (1, "imx219")]
        second, frames = Picamera2Camera(1, "libx264", SystemClock()), Frames()
        second.start(MODE, None, frames.add)
        frames.wait_for(3)
        second.stop()
    assert back.shown and not front.shown
