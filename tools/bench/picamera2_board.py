"""A board whose camera is the real picamera2 on the stand-in libcamera, with next to no simulation in it.

Options: ``encoder``: ``libx264``, or a packet file that is played back in place of an encoder, as if it were hardware;
``press_s`` as in :mod:`tools.bench.packet_board`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firmware_bridge.board import CaptureDevices
from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import BoardOptions, Plane, SensorInfo
from hw_sim.libcamera_stand_in import install
from hw_sim.libcamera_stand_in.camera import CameraManager
from hw_sim.libcamera_stand_in.sensor import Condition
from tools.bench.packet_board import NoiseMicrophone
from tools.bench.packet_board import unit_board as unit_board
from tools.bench.packet_file import RawPacket, read

if TYPE_CHECKING:
    from firmware_bridge.raspberry_pi.camera_encoders import EncoderMaker


class PlainSensor:
    """``Sensor``: a texture that moves by two pixels a frame, one copy; nothing at all where nobody encodes it."""

    name = "/base/bench"
    model = "bench"
    pixel_formats = ("YUV420",)

    def __init__(self, *, blank: bool) -> None:
        self._blank = blank
        self._clock = SystemClock()

    def condition(self) -> Condition:
        return "ok"

    def now_us(self) -> int:
        return self._clock.boottime_us()

    def open(self, width: int, height: int) -> None:
        if not self._blank:
            noise = np.random.default_rng(7).integers(70, 190, (height // 4, width // 4 + 64), dtype=np.uint8)
            self._texture = noise.repeat(4, 0).repeat(4, 1)

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        if not self._blank:
            left = n * 2 % 128
            y[: self._texture.shape[0]] = self._texture[:, left : left + y.shape[1]]
        return SensorInfo(10_000, 2.0, 120.0)

    def close(self) -> None:
        """Nothing was opened."""


def replay(packets: Path) -> EncoderMaker:
    """An encoder that costs nothing: for each frame the next packet of the file, over and over."""
    from picamera2.encoders.encoder import Encoder

    def frames() -> Iterator[RawPacket]:
        while True:
            yield from (packet for packet in read(packets) if packet.video)

    class PacketEncoder(Encoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._packets = frames()

        def _encode(self, stream: Any, request: Any) -> None:
            packet = next(self._packets)
            self.outputframe(packet.data, packet.keyframe, self._timestamp(request))

    return lambda mode, failed: PacketEncoder()


def capture_board(options: BoardOptions, _camera_id: str) -> CaptureDevices:
    install()
    from firmware_bridge.raspberry_pi.camera import Picamera2Camera

    clock = SystemClock()
    software = options["encoder"] == "libx264"
    CameraManager.sensors = [PlainSensor(blank=not software)]
    camera = Picamera2Camera(0, "libx264" if software else replay(Path(options["encoder"])), clock)
    return CaptureDevices(clock=clock, camera=camera, microphone=NoiseMicrophone(clock))
