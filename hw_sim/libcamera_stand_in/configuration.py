"""Stream and camera configurations, validated the way Raspberry Pi's pipeline handlers do where picamera2 can tell."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Final

from hw_sim.libcamera_stand_in.values import ColorSpace, Orientation, PixelFormat, Size, StreamRole

RAW_FORMAT: Final = "SRGGB10_CSI2P"
SENSOR_MODES: Final = ((1536, 864), (2304, 1296), (4608, 2592))
"""Those of the imx708 (Camera Module 3)."""
PIXEL_FORMATS: Final = ("YUV420", "NV12")
"""What the stand-in can draw; the first is what anything else is adjusted to."""
_ALIGN: Final = 64
_BYTES_PER_PIXEL: Final = {"XBGR8888": 4, "XRGB8888": 4, "RGB888": 3, "BGR888": 3}


class Stream:
    configuration: StreamConfiguration


class StreamFormats:
    """What the sensor offers raw."""

    def __init__(self) -> None:
        self.pixel_formats = [PixelFormat(RAW_FORMAT)]

    def sizes(self, pixel_format: PixelFormat) -> list[Size]:
        return [Size(*size) for size in SENSOR_MODES]


class StreamConfiguration:
    """One stream: what is asked for, and after ``CameraConfiguration.validate`` what it will be."""

    def __init__(self, role: StreamRole, offered: Sequence[str] = PIXEL_FORMATS) -> None:
        self.role = role
        self._offered = offered
        self.size = Size(1920, 1080)
        self.pixel_format = PixelFormat(RAW_FORMAT if role is StreamRole.Raw else offered[0])
        self.buffer_count = 6
        self.stride = 0
        self.frame_size = 0
        self.color_space: ColorSpace | None = None
        self.formats = StreamFormats()
        self.stream = Stream()
        self.stream.configuration = self

    def finalise(self) -> bool:
        """Work out stride and frame size; True when something had to be other than asked for."""
        adjusted = False
        largest = SENSOR_MODES[-1]
        if self.size.width > largest[0] or self.size.height > largest[1]:
            self.size, adjusted = Size(min(self.size.width, largest[0]), min(self.size.height, largest[1])), True
        width, height, name = self.size.width, self.size.height, str(self.pixel_format)
        if self.role is StreamRole.Raw:
            self.stride = _aligned(width * 10 // 8)
            self.frame_size = self.stride * height
        elif name in _BYTES_PER_PIXEL:
            self.stride = _aligned(width * _BYTES_PER_PIXEL[name])
            self.frame_size = self.stride * height
        else:
            if name not in self._offered:
                self.pixel_format, adjusted = PixelFormat(self._offered[0]), True
            self.stride = _aligned(width)
            self.frame_size = self.stride * height * 3 // 2
        return adjusted


def _aligned(bytes_per_line: int) -> int:
    return -(-bytes_per_line // _ALIGN) * _ALIGN


class SensorConfiguration:
    def __init__(self) -> None:
        self.bit_depth = 0
        self.output_size = Size()


class CameraConfiguration:
    class Status(enum.Enum):
        Valid = 0
        Adjusted = 1
        Invalid = 2

    def __init__(self, roles: list[StreamRole], offered: Sequence[str] = PIXEL_FORMATS) -> None:
        self._streams = [StreamConfiguration(role, offered) for role in roles]
        self.orientation = Orientation.Rotate0
        self.sensor_config: SensorConfiguration | None = None

    def at(self, index: int) -> StreamConfiguration:
        return self._streams[index]

    def __iter__(self) -> Iterator[StreamConfiguration]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    def validate(self) -> Status:
        adjusted = [stream.finalise() for stream in self._streams]
        return self.Status.Adjusted if any(adjusted) else self.Status.Valid
