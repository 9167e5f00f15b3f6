"""The real picamera2 on the stand-in libcamera, with a sensor whose frames and failures a test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av
import numpy as np

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import EncodedFrame, Plane, SensorInfo, VideoMode
from hw_sim.devices.counter import plane_of, read_counter, stamp
from tests.support import require_module

if TYPE_CHECKING:
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera
    from hw_sim.libcamera_stand_in.sensor import Condition

MODE = VideoMode(width=320, height=180, frame_rate=60, bitrate=800_000, gop=15)


@dataclass
class TestSensor:
    """``Sensor``: a pan over noise with the counter in it. ``shown`` are the numbers of the frames that found a buffer."""

    __test__ = False

    name: str = "/base/soc/i2c0mux/i2c@1/imx708@1a"
    model: str = "imx708"
    pixel_formats: tuple[str, ...] = ("YUV420", "NV12")
    state: Condition = "ok"
    clock_shift_us: int = 0
    """Between boot-time and the clock of the time stamps."""
    shown: list[int] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        self._clock = SystemClock()

    def condition(self) -> Condition:
        return self.state

    def now_us(self) -> int:
        return self._clock.boottime_us() + self.clock_shift_us

    def open(self, width: int, height: int) -> None:
        self.size = (width, height)
        noise = np.random.default_rng(7).integers(90, 150, (height // 8 + 9, width // 8 + 9), dtype=np.uint8)
        self._texture = noise.repeat(8, 0).repeat(8, 1)

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        y[:] = self._texture[n % 53 : n % 53 + y.shape[0], n % 61 : n % 61 + y.shape[1]]
        u.fill(128)
        v.fill(128)
        stamp(y, n, at_us)
        self.shown.append(n)
        return SensorInfo(exposure_us=10_000 + n % 100, analogue_gain=2.0, lux=120.0)

    def close(self) -> None:
        """Nothing to release."""


class Frames:
    """A consumer to wait on."""

    def __init__(self) -> None:
        self.all: list[EncodedFrame] = []
        self._more = threading.Condition()

    def add(self, frame: EncodedFrame) -> None:
        with self._more:
            self.all.append(frame)
            self._more.notify_all()

    def wait_for(self, count: int, timeout_s: float = 30) -> list[EncodedFrame]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.all) >= count, timeout_s), f"only {len(self.all)} frames"
            return list(self.all)


def until(condition: Callable[[], Any], timeout_s: float = 20) -> None:
    pause, clock = threading.Event(), SystemClock()
    deadline = clock.boottime_us() + timeout_s * 1e6
    while not condition():
        assert clock.boottime_us() < deadline, "did not happen in time"
        pause.wait(0.02)


@contextmanager
def plugged_in(*sensors: TestSensor) -> Iterator[None]:
    """``sensors`` are all the cameras there are. Skips (fails in CI) where picamera2 is not compiled."""
    require_module("picamera2")
    from hw_sim.libcamera_stand_in import install
    from hw_sim.libcamera_stand_in.camera import CameraManager

    install()
    before, CameraManager.sensors = CameraManager.sensors, list(sensors)
    try:
        yield
    finally:
        CameraManager.sensors = before


def make_camera(**arguments: Any) -> Picamera2Camera:
    """Camera 0 on libx264."""
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera

    return Picamera2Camera(0, arguments.pop("encoder", "libx264"), SystemClock(), **arguments)


def decoded(frames: list[EncodedFrame]) -> list[Plane]:
    """The luma planes, in order."""
    decoder = av.VideoCodecContext.create("h264", "r")
    pictures = [picture for frame in frames for picture in decoder.decode(av.Packet(frame.data))]
    pictures += decoder.decode(None)
    return [plane_of(picture, 0).copy() for picture in pictures]


def counters(frames: list[EncodedFrame]) -> list[int | None]:
    """The number in the picture of each frame."""
    return [read_counter(luma) for luma in decoded(frames)]
