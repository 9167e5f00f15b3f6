"""Camera and camera manager: a thread per running camera that exposes frames on a fixed grid of boot-time.

**Drops.** A sensor does not wait. When a frame is due and no request is queued, the frame is lost, as it is in the
receiver's dummy buffer on a Raspberry Pi; ``Camera.lost`` counts them, and the next frame's time stamp shows the hole.

**Unplugging.** Queued requests come back cancelled, the manager lists the camera no more, and whatever is asked of it
afterwards fails with "No such device". A sensor that is back is a new ``Camera``.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from firmware_bridge.ports import Plane
from hw_sim.devices.camera import FrameGrid
from hw_sim.libcamera_stand_in.configuration import (
    SENSOR_MODES,
    CameraConfiguration,
    StreamConfiguration,
)
from hw_sim.libcamera_stand_in.control_ids import CONTROLS, PROPERTIES, ControlId, ControlInfo
from hw_sim.libcamera_stand_in.requests import FrameBuffer, Request
from hw_sim.libcamera_stand_in.sensor import Sensor
from hw_sim.libcamera_stand_in.values import Rectangle, StreamRole

_LOOK_S: Final = 0.05
_DEFAULT_RATE: Final = 30


def _failed(what: str, number: int) -> RuntimeError:
    """pybind11 turns libcamera's ``std::system_error`` into this."""
    return RuntimeError(f"{what}: {os.strerror(number)}")


class Camera:
    def __init__(self, manager: CameraManager, sensor: Sensor) -> None:
        self._manager = manager
        self._sensor = sensor
        self.id = sensor.name
        largest = SENSOR_MODES[-1]
        self.properties: dict[ControlId, Any] = {
            PROPERTIES["Model"]: sensor.model,
            PROPERTIES["Location"]: 2,
            PROPERTIES["Rotation"]: 180,
            PROPERTIES["ColorFilterArrangement"]: 0,
        }
        full = Rectangle(0, 0, *largest)
        self.controls: dict[ControlId, ControlInfo] = {
            CONTROLS["AeEnable"]: ControlInfo(False, True, True),
            CONTROLS["AnalogueGain"]: ControlInfo(1.0, 16.0, 1.0),
            CONTROLS["Brightness"]: ControlInfo(-1.0, 1.0, 0.0),
            CONTROLS["ExposureTime"]: ControlInfo(0, 66_666, 20_000),
            CONTROLS["ExposureValue"]: ControlInfo(-8.0, 8.0, 0.0),
            CONTROLS["FrameDurationLimits"]: ControlInfo(8_333, 220_535_845, 33_333),
            CONTROLS["NoiseReductionMode"]: ControlInfo(0, 4, 0),
            CONTROLS["ScalerCrop"]: ControlInfo(Rectangle(0, 0, 64, 64), full, full),
        }
        self.exposed = 0
        self.lost = 0
        """Frames since ``start``: put into a request, and lost for want of one."""
        self.disconnected = False
        self._acquired = False
        self._configuration: CameraConfiguration | None = None
        self._queue: deque[Request] = deque()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        self._check("Failed to acquire camera")
        if self._acquired:
            raise _failed("Failed to acquire camera", errno.EBUSY)
        self._acquired = True

    def release(self) -> None:
        if self._thread is not None:
            raise _failed("Failed to release camera", errno.EBUSY)
        self._acquired = False

    def generate_configuration(self, roles: list[StreamRole]) -> CameraConfiguration:
        return CameraConfiguration(roles, self._sensor.pixel_formats)

    def configure(self, configuration: CameraConfiguration) -> None:
        self._check("Failed to configure camera")
        self._configuration = configuration

    def create_request(self, cookie: int = 0) -> Request:
        return Request(cookie)

    def start(self, controls: Mapping[ControlId, Any] | None = None) -> None:
        self._check("Failed to start camera")
        assert self._configuration is not None, "configure first"
        limits = (controls or {}).get(CONTROLS["FrameDurationLimits"])
        rate = round(1_000_000 / limits[0]) if limits else _DEFAULT_RATE
        self.exposed = self.lost = 0
        self._stopping.clear()
        main = self._configuration.at(0)
        self._thread = threading.Thread(target=self._run, args=(main, rate), name="libcamera-stand-in", daemon=True)
        self._thread.start()

    def queue_request(self, request: Request) -> None:
        self._check("Failed to queue request")
        if self._sensor.condition() == "error":
            raise _failed("Failed to queue request", errno.EIO)
        with self._lock:
            self._queue.append(request)

    def stop(self) -> None:
        """Cancels what is queued. While the sensor hangs this hangs, as libcamera does when the kernel does."""
        self._stopping.set()
        self._hang()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._cancel()

    def present(self) -> bool:
        if self._sensor.condition() == "off":
            self.disconnected = True
        return not self.disconnected

    def _check(self, what: str) -> None:
        if not self.present():
            raise _failed(what, errno.ENODEV)

    def _run(self, main: StreamConfiguration, rate: int) -> None:
        self._sensor.open(main.size.width, main.size.height)
        try:
            self._expose_all(main, FrameGrid(rate))
        finally:
            self._sensor.close()

    def _expose_all(self, main: StreamConfiguration, grid: FrameGrid) -> None:
        n = grid.next_after(self._sensor.now_us())
        while not self._stopping.is_set():
            wait_s = (grid.at_us(n) - self._sensor.now_us()) / 1e6
            if wait_s > 0:
                self._stopping.wait(min(wait_s, _LOOK_S))
                continue
            match self._sensor.condition():
                case "hung":
                    self._hang()
                    continue
                case "off":
                    self.disconnected = True
                    self._cancel()
                    return
                case "ok" | "error":
                    self._expose(main, grid, n)
            n += 1

    def _hang(self) -> None:
        """In the kernel: no flag ends this, only the sensor's own recovery."""
        pause = threading.Event()
        while self._sensor.condition() == "hung":
            pause.wait(_LOOK_S)

    def _expose(self, main: StreamConfiguration, grid: FrameGrid, n: int) -> None:
        with self._lock:
            request = self._queue.popleft() if self._queue else None
        if request is None:
            self.lost += 1
            return
        at_us = grid.at_us(n)
        buffer = request.buffers[main.stream]
        info = self._sensor.draw(*_planes(main, buffer), n, at_us)
        for each in request.buffers.values():
            each.metadata.sequence = self.exposed + self.lost
            each.metadata.timestamp = at_us * 1000
        request.metadata = {
            CONTROLS["SensorTimestamp"]: at_us * 1000,
            CONTROLS["FrameDuration"]: 1_000_000 // grid.frame_rate,
            CONTROLS["ExposureTime"]: info.exposure_us,
            CONTROLS["AnalogueGain"]: info.analogue_gain,
            CONTROLS["DigitalGain"]: 1.0,
            CONTROLS["Lux"]: info.lux,
        }
        request.status = Request.Status.Complete
        self.exposed += 1
        self._manager.completed(request)

    def _cancel(self) -> None:
        with self._lock:
            cancelled, self._queue = list(self._queue), deque()
        for request in cancelled:
            request.status = Request.Status.Cancelled
            self._manager.completed(request)


def _planes(stream: StreamConfiguration, buffer: FrameBuffer) -> tuple[Plane, Plane, Plane]:
    """Views of Y, U and V in a buffer of a YUV420 or NV12 stream."""
    width, height, stride = stream.size.width, stream.size.height, stream.stride
    pixels = buffer.pixels
    y = pixels[: stride * height].reshape(height, stride)[:, :width]
    chroma = pixels[stride * height : stride * height * 3 // 2]
    if str(stream.pixel_format) == "NV12":
        both = chroma.reshape(height // 2, stride)[:, :width]
        return y, both[:, 0::2], both[:, 1::2]
    half = chroma.reshape(height, stride // 2)
    return y, half[: height // 2, : width // 2], half[height // 2 :, : width // 2]


class CameraManager:
    """One per process. ``sensors`` are plugged in by :func:`hw_sim.libcamera_stand_in.install`."""

    _singleton: ClassVar[CameraManager | None] = None
    sensors: ClassVar[list[Sensor]] = []

    @classmethod
    def singleton(cls) -> CameraManager:
        if cls._singleton is None:
            cls._singleton = cls()
        return cls._singleton

    def __init__(self) -> None:
        self.event_fd: Final = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()
        self._ready: list[Request] = []
        self._cameras: dict[int, Camera] = {}

    @property
    def cameras(self) -> list[Camera]:
        """Those that are there, in the order they were plugged in."""
        with self._lock:
            return [camera for sensor in self.sensors if (camera := self._camera(sensor)).present()]

    def _camera(self, sensor: Sensor) -> Camera:
        camera = self._cameras.get(id(sensor))
        if camera is None or (camera.disconnected and sensor.condition() != "off"):
            camera = self._cameras[id(sensor)] = Camera(self, sensor)
        return camera

    def get(self, name: str) -> Camera:
        for camera in self.cameras:
            if camera.id == name:
                return camera
        raise _failed(name, errno.ENODEV)

    def get_ready_requests(self) -> list[Request]:
        """What has completed or was cancelled since the last call; quiets ``event_fd``."""
        with self._lock:
            ready, self._ready = self._ready, []
            if ready:
                os.eventfd_read(self.event_fd)
        return ready

    def completed(self, request: Request) -> None:
        with self._lock:
            self._ready.append(request)
            os.eventfd_write(self.event_fd, 1)
