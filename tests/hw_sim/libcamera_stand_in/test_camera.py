"""The stand-in by itself: what it gives picamera2, and what it loses."""

from __future__ import annotations

import itertools
import os
import select
from collections.abc import Iterator

import pytest

from hw_sim.devices.counter import read_counter
from hw_sim.libcamera_stand_in.camera import Camera, CameraManager
from hw_sim.libcamera_stand_in.configuration import CameraConfiguration, StreamConfiguration
from hw_sim.libcamera_stand_in.control_ids import CONTROLS
from hw_sim.libcamera_stand_in.requests import FrameBuffer, Request
from hw_sim.libcamera_stand_in.sensor import WorldSensor
from hw_sim.libcamera_stand_in.values import PixelFormat, Size, StreamRole
from hw_sim.world_keys import initial_state
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.camera_rig import TestSensor, until


@pytest.fixture
def sensor() -> TestSensor:
    return TestSensor()


@pytest.fixture
def manager(sensor: TestSensor) -> Iterator[CameraManager]:
    before, CameraManager.sensors = CameraManager.sensors, [sensor]
    manager = CameraManager()
    yield manager
    CameraManager.sensors = before
    os.close(manager.event_fd)


def configured(camera: Camera, width: int = 200, height: int = 112, pixels: str = "YUV420") -> StreamConfiguration:
    configuration = camera.generate_configuration([StreamRole.Viewfinder])
    stream = configuration.at(0)
    stream.size, stream.pixel_format = Size(width, height), PixelFormat(pixels)
    configuration.validate()
    camera.acquire()
    camera.configure(configuration)
    return stream


def buffers(stream: StreamConfiguration, count: int) -> list[FrameBuffer]:
    made = []
    for n in range(count):
        plane = FrameBuffer.Plane()
        plane.fd, plane.length = os.memfd_create(f"frame-{n}"), stream.frame_size
        os.ftruncate(plane.fd, plane.length)
        made.append(FrameBuffer([plane]))
        os.close(plane.fd)
    return made


def ready(manager: CameraManager, count: int) -> list[Request]:
    got: list[Request] = []
    while len(got) < count:
        assert select.select([manager.event_fd], [], [], 20)[0], f"only {len(got)}"
        got += manager.get_ready_requests()
    return got


@pytest.mark.parametrize("pixels", ["YUV420", "NV12"])
def test_frames_come_in_the_request_s_buffer_on_the_grid_asked_for(
    manager: CameraManager, sensor: TestSensor, pixels: str
) -> None:
    (camera,) = manager.cameras
    stream = configured(camera, pixels=pixels)
    assert (stream.stride, stream.frame_size) == (256, 256 * 112 * 3 // 2)
    camera.start({CONTROLS["FrameDurationLimits"]: (20_000, 20_000)})
    for buffer in buffers(stream, 4):
        request = camera.create_request(7)
        request.add_buffer(stream.stream, buffer)
        camera.queue_request(request)
    done = ready(manager, 4)
    camera.stop()
    times = [request.metadata[CONTROLS["SensorTimestamp"]] for request in done]
    assert [after - before for before, after in itertools.pairwise(times)] == [20_000_000] * 3
    for request, n in zip(done, sensor.shown, strict=True):
        assert (request.status, request.cookie) == (Request.Status.Complete, 7)
        luma = request.buffers[stream.stream].pixels[: 256 * 112].reshape(112, 256)
        assert read_counter(luma[:, :200]) == n and not luma[:, 200:].any()


def test_a_frame_without_a_request_is_lost_and_counted(manager: CameraManager, sensor: TestSensor) -> None:
    (camera,) = manager.cameras
    stream = configured(camera)
    (buffer,) = buffers(stream, 1)
    request = camera.create_request(0)
    request.add_buffer(stream.stream, buffer)
    camera.start()
    camera.queue_request(request)
    ready(manager, 1)
    sequence = buffer.metadata.sequence
    until(lambda: camera.lost >= 3)
    request.reuse()
    camera.queue_request(request)
    ready(manager, 1)
    camera.stop()
    first, second = sensor.shown
    assert second - first > 3 and camera.exposed == 2
    assert buffer.metadata.sequence - sequence == second - first


def test_stopping_cancels_what_is_queued(manager: CameraManager, sensor: TestSensor) -> None:
    sensor.state = "stuck"
    (camera,) = manager.cameras
    stream = configured(camera)
    camera.start()
    for buffer in buffers(stream, 3):
        request = camera.create_request(0)
        request.add_buffer(stream.stream, buffer)
        camera.queue_request(request)
    camera.stop()
    assert {request.status for request in ready(manager, 3)} == {Request.Status.Cancelled}
    camera.release()


def test_a_camera_that_is_pulled_out_is_another_one_when_it_is_back(manager: CameraManager, sensor: TestSensor) -> None:
    (camera,) = manager.cameras
    configured(camera)
    camera.start()
    sensor.state = "off"
    assert manager.cameras == []
    with pytest.raises(RuntimeError, match="No such device"):
        camera.queue_request(camera.create_request(0))
    camera.stop()
    sensor.state = "ok"
    (another,) = manager.cameras
    assert another is not camera and another.id == camera.id
    with pytest.raises(RuntimeError, match="No such device"):
        camera.start()


def test_one_owner_at_a_time(manager: CameraManager) -> None:
    (camera,) = manager.cameras
    camera.acquire()
    with pytest.raises(RuntimeError, match="busy"):
        camera.acquire()
    camera.release()
    camera.acquire()


def test_what_cannot_be_is_adjusted() -> None:
    configuration = CameraConfiguration([StreamRole.Viewfinder, StreamRole.Raw])
    assert configuration.validate() is CameraConfiguration.Status.Valid
    assert (configuration.at(0).stride, configuration.at(1).stride) == (1920, 2432)
    stream = configuration.at(0)
    stream.size, stream.pixel_format = Size(10_000, 10_000), PixelFormat("MJPEG")
    assert configuration.validate() is CameraConfiguration.Status.Adjusted
    assert (stream.size.width, stream.size.height, str(stream.pixel_format)) == (4608, 2592, "YUV420")


def test_the_world_s_conditions() -> None:
    state, alive = initial_state({}), True
    sensor = WorldSensor(ManualClock(), state.__getitem__, lambda: alive)
    for failure in ("ok", "stuck", "off", "error"):
        state["camera.failure"] = failure
        assert sensor.condition() == failure
    state["camera.failure"] = "ok"
    alive = False
    assert sensor.condition() == "off"
    alive = True
    state["worker.failure"] = "stuck"
    assert sensor.condition() == "hung"
    state["worker.failure"] = "ok"
    assert sensor.condition() == "hung", "a driver that hangs does not heal"
