"""One camera's options as typed values, without the camera's libraries: the unit process looks for mistakes in them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from firmware_bridge.raspberry_pi.options import NONE, OptionReader

CODEC: Final = Path("/dev/video11")
"""The H.264 encoder of the VC4 (driver bcm2835-codec): there up to the Pi 4, not on a Pi 5."""

DEFAULT_MICROPHONE: Final = "default"
"""A board that does not say has the sound system's own: silence by oversight would be worse than a fault."""

_Encoder = Literal["v4l2", "libx264"]


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """``sensor``: libcamera's model of the module, empty where nobody says. ``index`` None: the one camera of that model.
    ``microphone``: None for a camera without."""

    index: int | None
    sensor: str
    encoder: _Encoder
    rotation: int
    threads: int
    tuning: str | None
    controls: Mapping[str, Any]
    microphone: str | None


def camera_settings(reader: OptionReader, camera_id: str, codec: Path = CODEC) -> CameraSettings:
    """Without an encoder named, the hardware one where there is one."""
    at = f"camera.{camera_id}."
    own = reader.raw(f"{at}microphone") or reader.raw("microphone_device") or DEFAULT_MICROPHONE
    usual: _Encoder = "v4l2" if codec.exists() else "libx264"
    sensor = reader.text(f"{at}sensor") or ""
    by_model = bool(sensor) and reader.text(f"{at}index") is None
    return CameraSettings(
        index=None if by_model else reader.integer(f"{at}index", 0, 0, 15),
        sensor=sensor,
        encoder=reader.choice(f"{at}encoder", usual, _Encoder),
        rotation=reader.choice(f"{at}rotation", 0, Literal[0, 180]),
        threads=reader.integer(f"{at}threads", 2, 1, 8),
        tuning=reader.text(f"{at}tuning"),
        controls=reader.table(f"{at}controls"),
        microphone=None if own == NONE else own,
    )


def number_of(settings: CameraSettings, models: Sequence[str]) -> int:
    """picamera2's number of the camera; ``models``: of those that are there, in its order. A model that is not among them
    gets a number nobody has, with which the driver says what there is."""
    if settings.index is not None:
        return settings.index
    return models.index(settings.sensor) if settings.sensor in models else len(models)
