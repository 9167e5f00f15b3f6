"""The footage a run plays: the scenario's own, or any file of the user's, tried before anything is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import DeviceError

MEDIA = Path(__file__).parents[1] / "media"


class MediaError(Exception):
    """A file cannot be played; the message names it and says why, in Chinese and English."""


@dataclass(slots=True)
class Media:
    """Real input instead of the synthetic scene, sound and walk: any video file, any WAV, any NMEA log."""

    camera: Path | None = None
    microphone: Path | None = None
    gnss: Path | None = None
    at_end: str = "loop"

    def chosen(self) -> dict[str, Path]:
        """What the user named, by device."""
        files = {"camera": self.camera, "microphone": self.microphone, "gnss": self.gnss}
        return {device: path for device, path in files.items() if path is not None}


def check(media: Media) -> None:
    """Open each file the way its device will. The capture worker would meet a bad one only minutes later, and a run without
    a picture explains nothing. Raises MediaError."""
    from hw_sim.devices.camera_file import VideoFile
    from hw_sim.devices.gnss_feed import open_feed
    from hw_sim.devices.sound import decode
    from hw_sim.world_keys import initial_state

    for device, path in media.chosen().items():
        if not path.is_file():
            raise MediaError(f"--{device} {path}: 没有这个文件 no such file")
        try:
            if device == "camera":
                VideoFile(str(path), 320, 180, media.at_end).close()
            elif device == "microphone":
                decode(str(path), 48_000)
            else:
                open_feed(initial_state({"gnss.file": str(path), "gnss.at_end": media.at_end}))
        except DeviceError as error:
            raise MediaError(f"--{error}") from error
