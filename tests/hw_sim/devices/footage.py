"""Small encoded files of the synthetic scene."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from firmware_bridge.ports import Plane
from hw_sim.devices.counter import plane_of, stamp
from hw_sim.devices.scene import Scene

SIZES = [(1920, 1080), (1280, 720), (640, 360), (426, 240), (320, 180), (160, 120)]


def planes(width: int, height: int) -> tuple[Plane, Plane, Plane]:
    half = (height // 2, width // 2)
    return np.zeros((height, width), np.uint8), np.zeros(half, np.uint8), np.zeros(half, np.uint8)


def encode_h264(
    path: Path,
    size: tuple[int, int],
    bitrate: int,
    count: int,
    *,
    lux: float = 200.0,
    covered: bool = False,
    first: int = 1000,
    rate: int = 30,
) -> None:
    """``count`` frames with counters from ``first`` on, at ``bitrate`` bit/s, fastest preset."""
    width, height = size
    scene = Scene(width, height, 5)
    picture = av.VideoFrame(width, height, "yuv420p")
    y, u, v = (plane_of(picture, index) for index in range(3))
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", bitrate
        stream.options = {
            "preset": "ultrafast",
            "tune": "zerolatency",
            "maxrate": str(bitrate),
            "bufsize": str(bitrate),
            "g": "30",
        }
        for n in range(count):
            at_us = (first + n) * 1_000_000 // rate
            scene.draw(y, u, v, at_us, lux=lux, covered=covered)
            stamp(y, first + n, at_us)
            picture.pts, picture.time_base = n, Fraction(1, rate)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
