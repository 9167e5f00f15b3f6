"""Plain values of libcamera's Python bindings: geometry, colour, formats and the enumerations picamera2 names.

Like the bindings' own classes they compare and hash by identity; picamera2 adds ``__eq__`` where it needs more.
"""

from __future__ import annotations

import enum


class Transform:
    """How the picture is turned. Copies ``other`` when given one."""

    def __init__(
        self, other: Transform | None = None, hflip: bool = False, vflip: bool = False, transpose: bool = False
    ) -> None:
        self.hflip: bool = bool(hflip if other is None else other.hflip)
        self.vflip: bool = bool(vflip if other is None else other.vflip)
        self.transpose: bool = bool(transpose if other is None else other.transpose)

    def __str__(self) -> str:
        return f"<libcamera.Transform hflip={self.hflip} vflip={self.vflip} transpose={self.transpose}>"


class Orientation(enum.Enum):
    """EXIF's numbers."""

    Rotate0 = 1
    Rotate0Mirror = 2
    Rotate180 = 3
    Rotate180Mirror = 4
    Rotate90Mirror = 5
    Rotate270 = 6
    Rotate270Mirror = 7
    Rotate90 = 8


class ColorSpace:
    """Primaries, transfer function, encoding and range. Copies ``other`` when given one."""

    class Primaries(enum.Enum):
        Raw = 0
        Smpte170m = 1
        Rec709 = 2
        Rec2020 = 3

    class TransferFunction(enum.Enum):
        Linear = 0
        Srgb = 1
        Rec709 = 2

    class YcbcrEncoding(enum.Enum):
        Null = 0
        Rec601 = 1
        Rec709 = 2
        Rec2020 = 3

    class Range(enum.Enum):
        Full = 0
        Limited = 1

    def __init__(
        self,
        other: ColorSpace | None = None,
        primaries: Primaries = Primaries.Raw,
        transfer: TransferFunction = TransferFunction.Linear,
        encoding: YcbcrEncoding = YcbcrEncoding.Null,
        range_: Range = Range.Full,
    ) -> None:
        # The bindings' attribute names, which picamera2 reads and sets.
        self.primaries: ColorSpace.Primaries = primaries if other is None else other.primaries
        self.transferFunction: ColorSpace.TransferFunction = transfer if other is None else other.transferFunction
        self.ycbcrEncoding: ColorSpace.YcbcrEncoding = encoding if other is None else other.ycbcrEncoding
        self.range: ColorSpace.Range = range_ if other is None else other.range

    def __str__(self) -> str:
        return f"<libcamera.ColorSpace {self.primaries.name}/{self.transferFunction.name}>"

    @classmethod
    def Raw(cls) -> ColorSpace:
        return cls()

    @classmethod
    def Sycc(cls) -> ColorSpace:
        return cls(None, cls.Primaries.Rec709, cls.TransferFunction.Srgb, cls.YcbcrEncoding.Rec601, cls.Range.Full)

    @classmethod
    def Smpte170m(cls) -> ColorSpace:
        return cls(
            None, cls.Primaries.Smpte170m, cls.TransferFunction.Rec709, cls.YcbcrEncoding.Rec601, cls.Range.Limited
        )

    @classmethod
    def Rec709(cls) -> ColorSpace:
        return cls(None, cls.Primaries.Rec709, cls.TransferFunction.Rec709, cls.YcbcrEncoding.Rec709, cls.Range.Limited)


class Size:
    def __init__(self, width: int = 0, height: int = 0) -> None:
        self.width, self.height = width, height


class Rectangle:
    def __init__(self, x: int = 0, y: int = 0, width: int = 0, height: int = 0) -> None:
        self.x, self.y, self.width, self.height = x, y, width, height


class PixelFormat:
    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return self._name


class StreamRole(enum.Enum):
    Raw = 0
    StillCapture = 1
    VideoRecording = 2
    Viewfinder = 3


class ControlType(enum.Enum):
    Null = 0
    Bool = 1
    Byte = 2
    Integer32 = 3
    Integer64 = 4
    Float = 5
    String = 6
    Rectangle = 7
    Size = 8
    Point = 9
