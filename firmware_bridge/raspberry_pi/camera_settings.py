"""One camera's options as typed values, without the camera's libraries: the unit process looks for mistakes in them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.options import NONE, OptionReader

CODEC: Final = Path("/dev/video11")
"""The H.264 encoder of the VC4 (driver bcm2835-codec): there up to the Pi 4, not on a Pi 5."""

TUNING: Final = Path("/usr/share/libcamera/ipa/rpi")
"""The system's tuning files, a folder for each image processor: ``vc4`` up to the Pi 4, ``pisp`` in the Pi 5."""

_COMPATIBLE: Final = Path("/proc/device-tree/compatible")
_PISP_CHIP: Final = b"brcm,bcm2712"

DEFAULT_MICROPHONE: Final = "default"
"""A board that does not say has the sound system's own: silence by oversight would be worse than a fault."""

_Encoder = Literal["v4l2", "libx264"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What of the machine decides how a camera can be used; a test has its own."""

    codec: Path = CODEC
    tuning: Path = TUNING
    compatible: Path = _COMPATIBLE

    def tuning_folder(self) -> Path:
        """A file made for the other image processor makes libcamera refuse the camera, so only one folder is looked in."""
        try:
            pisp = _PISP_CHIP in self.compatible.read_bytes()
        except OSError:
            pisp = False
        return self.tuning / ("pisp" if pisp else "vc4")


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """``sensor``: libcamera's model of the module, empty where nobody says. ``index`` None: the one camera of that model.
    ``tuning``: full path of a file that is there. ``microphone``: None for a camera without. ``lacking``: by option, what
    was asked for and this machine does not have; the camera records without it."""

    index: int | None
    sensor: str
    encoder: _Encoder
    rotation: int
    threads: int
    tuning: str | None
    controls: Mapping[str, Any]
    microphone: str | None
    lacking: Mapping[str, DeviceError] = field(default_factory=dict)


def camera_settings(reader: OptionReader, camera_id: str, machine: Machine | None = None) -> CameraSettings:
    """Without an encoder named, the hardware one where there is one. A tuning file that is not there is left out: wrong
    colours are worth more than no picture."""
    machine = machine or Machine()
    lacking: dict[str, DeviceError] = {}
    at = f"camera.{camera_id}."
    own = reader.raw(f"{at}microphone") or reader.raw("microphone_device") or DEFAULT_MICROPHONE
    usual: _Encoder = "v4l2" if machine.codec.exists() else "libx264"
    sensor = reader.text(f"{at}sensor") or ""
    by_model = bool(sensor) and reader.text(f"{at}index") is None
    return CameraSettings(
        index=None if by_model else reader.integer(f"{at}index", 0, 0, 15),
        sensor=sensor,
        encoder=_encoder(reader.choice(f"{at}encoder", usual, _Encoder), f"{at}encoder", machine, lacking),
        rotation=reader.choice(f"{at}rotation", 0, Literal[0, 180]),
        threads=reader.integer(f"{at}threads", 2, 1, 8),
        tuning=_tuning(reader.text(f"{at}tuning"), f"{at}tuning", machine, lacking),
        controls=reader.table(f"{at}controls"),
        microphone=None if own == NONE else own,
        lacking=lacking,
    )


def _encoder(named: _Encoder, device: str, machine: Machine, lacking: dict[str, DeviceError]) -> _Encoder:
    """A Pi with the board file of another, or without its codec's module, records with what it has."""
    if named == "v4l2" and not machine.codec.exists():
        lacking["encoder"] = DeviceError(
            device, f"{machine.codec}: 没有硬件编码器，改用 libx264 there is no hardware encoder, libx264 is used"
        )
        return "libx264"
    return named


def _tuning(named: str | None, device: str, machine: Machine, lacking: dict[str, DeviceError]) -> str | None:
    """``named``: a full path, or a file among the system's."""
    if named is None:
        return None
    path = machine.tuning_folder() / named  # a full path stays what it is
    if path.is_file():
        return str(path)
    lacking["tuning"] = DeviceError(
        device, f"{path}: 没有这个调校文件，使用 libcamera 默认值 no such tuning file, libcamera's own is used"
    )
    return None


def number_of(settings: CameraSettings, models: Sequence[str]) -> int:
    """picamera2's number of the camera; ``models``: of those that are there, in its order. A model that is not among them
    gets a number nobody has. For who only looks: the driver looks a model up when it opens the camera."""
    if settings.index is not None:
        return settings.index
    return models.index(settings.sensor) if settings.sensor in models else len(models)
