"""Any video file as what the camera sees: decoded, fitted into the wanted size, looped or held at its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import av
import numpy as np

from firmware_bridge.ports import DeviceError, Plane
from hw_sim.devices.counter import plane_of
from hw_sim.devices.scene import DARKEST, light_level

_BLACK: Final = 16


class VideoFile:
    """Frames by content time. Times must not go back between calls; after the end, ``loop`` starts again and ``hold`` keeps
    the last picture. Raises DeviceError naming a file that cannot be used."""

    def __init__(self, path: str, width: int, height: int, at_end: str) -> None:
        self._path = path
        self._width = width
        self._height = height
        self._at_end = at_end
        self._round_us = 0
        self._length_us = 0
        self._ended = False
        self._container = self._open()
        self._frames = self._decode()
        self._now: av.VideoFrame | None = None
        self._next: tuple[int, av.VideoFrame] | None = None
        self._curves = [
            (16 + (np.arange(256) - 16).clip(0) * 0.62**level).astype(np.uint8) for level in range(DARKEST + 1)
        ]
        self._advance(0)
        if self._now is None:
            self.close()
            raise DeviceError("camera", f"{path}: 文件里没有画面 no picture in the file")

    def draw(self, y: Plane, u: Plane, v: Plane, at_us: int, *, lux: float, covered: bool) -> None:
        """The picture at content time ``at_us`` (µs since the beginning), darkened as a scene of ``lux`` would be."""
        self._advance(at_us)
        if covered or self._now is None:
            y.fill(_BLACK + 2)
            u.fill(128)
            v.fill(128)
            return
        planes = [plane_of(self._now, index) for index in range(3)]
        level = light_level(lux)
        if level:
            np.take(self._curves[level], planes[0], out=y)
        else:
            np.copyto(y, planes[0])
        if level >= 2:
            u.fill(128)
            v.fill(128)
        else:
            np.copyto(u, planes[1])
            np.copyto(v, planes[2])

    def close(self) -> None:
        self._container.close()

    def _advance(self, at_us: int) -> None:
        newest: av.VideoFrame | None = None
        while not self._ended:
            self._next = self._next or self._fetch()
            if self._next is None or (self._next[0] > at_us and (self._now or newest) is not None):
                break
            newest, self._next = self._next[1], None
        if newest is not None:  # only what is shown is scaled
            self._now = self._fit(newest)

    def _fetch(self) -> tuple[int, av.VideoFrame] | None:
        """The next frame and its content time, over the end of the file where that is wanted."""
        try:
            frame = next(self._frames, None)
            if frame is None:
                if self._at_end == "hold" or self._length_us <= self._round_us:
                    self._ended = True
                    return None
                self._round_us = self._length_us
                self._container.close()
                self._container = self._open()
                self._frames = self._decode()
                frame = next(self._frames, None)
                if frame is None:
                    self._ended = True
                    return None
        except (av.FFmpegError, OSError) as error:
            raise DeviceError("camera", f"{self._path}: 解码出错 cannot be decoded: {error}") from error
        start = self._stream_start_us
        at_us = self._round_us + (0 if frame.time is None else round(frame.time * 1e6) - start)
        duration = 33_333
        if frame.duration and frame.time_base is not None:
            duration = round(frame.duration * frame.time_base * 1_000_000)
        self._length_us = max(self._length_us, at_us + duration)
        return at_us, frame

    def _open(self) -> av.container.InputContainer:
        try:
            container = av.open(self._path)
        except (av.FFmpegError, OSError) as error:
            raise DeviceError(
                "camera", f"{self._path}: 无法打开视频文件 cannot open the video file: {error}"
            ) from error
        if not container.streams.video:
            container.close()
            raise DeviceError("camera", f"{self._path}: 文件里没有视频 no video in the file")
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"  # frame threads would hold back frames and cost memory for each
        first = stream.start_time
        self._stream_start_us = (
            0 if first is None or stream.time_base is None else round(first * stream.time_base * 10**6)
        )
        return container

    def _decode(self) -> Iterator[av.VideoFrame]:
        return self._container.decode(self._container.streams.video[0])

    def _fit(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Scaled into the wanted size with its shape kept; the rest stays black."""
        scale = min(self._width / frame.width, self._height / frame.height)
        width = max(2, round(frame.width * scale) & ~1)
        height = max(2, round(frame.height * scale) & ~1)
        scaled = frame.reformat(width=width, height=height, format="yuv420p")
        if (width, height) == (self._width, self._height):
            return scaled
        canvas = av.VideoFrame(self._width, self._height, "yuv420p")
        for index, (black, divisor) in enumerate(((_BLACK, 1), (128, 2), (128, 2))):
            target, source = plane_of(canvas, index), plane_of(scaled, index)
            target[:] = black
            top = (self._height - height) // 2 // divisor
            left = (self._width - width) // 2 // divisor
            target[top : top + source.shape[0], left : left + source.shape[1]] = source
        return canvas
