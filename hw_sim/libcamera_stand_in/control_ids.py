"""``libcamera.controls`` and ``libcamera.properties``: the ids picamera2 and the stand-in's camera use."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from hw_sim.libcamera_stand_in.values import ControlType


@dataclass(frozen=True, eq=False, slots=True)
class ControlId:
    """Compared by identity: there is one object for each id, as in libcamera."""

    name: str
    type: ControlType

    def __repr__(self) -> str:
        return f"libcamera.ControlId({self.name})"


@dataclass(frozen=True, slots=True)
class ControlInfo:
    """Bounds of a control, under the bindings' attribute names."""

    min: Any
    max: Any
    default: Any


_CONTROLS: Final = {
    "AeEnable": ControlType.Bool,
    "AnalogueGain": ControlType.Float,
    "AnalogueGainMode": ControlType.Integer32,
    "Brightness": ControlType.Float,
    "DigitalGain": ControlType.Float,
    "ExposureTime": ControlType.Integer32,
    "ExposureTimeMode": ControlType.Integer32,
    "ExposureValue": ControlType.Float,
    "FrameDuration": ControlType.Integer64,
    "FrameDurationLimits": ControlType.Integer64,
    "Lux": ControlType.Float,
    "NoiseReductionMode": ControlType.Integer32,
    "ScalerCrop": ControlType.Rectangle,
    "SensorTimestamp": ControlType.Integer64,
}
_PROPERTIES: Final = {
    "ColorFilterArrangement": ControlType.Integer32,
    "Location": ControlType.Integer32,
    "Model": ControlType.String,
    "Rotation": ControlType.Integer32,
}


class NoiseReductionModeEnum(enum.IntEnum):
    Off = 0
    Fast = 1
    HighQuality = 2
    Minimal = 3
    ZSL = 4


class ColorFilterArrangementEnum(enum.IntEnum):
    RGGB = 0
    GRBG = 1
    GBRG = 2
    BGGR = 3
    RGB = 4
    MONO = 5


CONTROLS: Final = {name: ControlId(name, kind) for name, kind in _CONTROLS.items()}
PROPERTIES: Final = {name: ControlId(name, kind) for name, kind in _PROPERTIES.items()}

controls: Final = SimpleNamespace(**CONTROLS, draft=SimpleNamespace(NoiseReductionModeEnum=NoiseReductionModeEnum))
properties: Final = SimpleNamespace(
    **PROPERTIES, draft=SimpleNamespace(ColorFilterArrangementEnum=ColorFilterArrangementEnum)
)
