"""Which frames the sensor really delivered: the truth that a recording is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from firmware_bridge.ports import Plane, SensorInfo
from hw_sim.libcamera_stand_in.sensor import Condition, Sensor


class Witness:
    """``Sensor`` before ``sensor``: each frame it delivered is a line with its number in ``path()``, if there is one."""

    def __init__(self, sensor: Sensor, path: Callable[[], Path | None]) -> None:
        self._sensor = sensor
        self._path = path

    @property
    def name(self) -> str:
        return self._sensor.name

    @property
    def model(self) -> str:
        return self._sensor.model

    @property
    def pixel_formats(self) -> Sequence[str]:
        return self._sensor.pixel_formats

    def condition(self) -> Condition:
        return self._sensor.condition()

    def now_us(self) -> int:
        return self._sensor.now_us()

    def open(self, width: int, height: int) -> None:
        self._sensor.open(width, height)

    def draw(self, y: Plane, u: Plane, v: Plane, n: int, at_us: int) -> SensorInfo:
        info = self._sensor.draw(y, u, v, n, at_us)
        if (path := self._path()) is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="ascii") as file:
                file.write(f"{n}\n")
        return info

    def close(self) -> None:
        self._sensor.close()


def delivered(path: Path) -> set[int]:
    """The numbers written there; a last line that a kill cut short does not count."""
    if not path.exists():
        return set()
    return {int(line) for line in path.read_text(encoding="ascii").split("\n")[:-1]}


def log_path(folder: str, boot_id: str, camera_id: str) -> Path | None:
    """Where the frames of one boot stand; None where nobody wants to know."""
    return Path(folder) / f"{boot_id}-{camera_id}.frames" if folder else None
