"""Why the Raspberry Pi's processor is slowed down: from the kernel where it tells, else from ``vcgencmd``.

- :class:`FileThrottle`: the firmware driver's ``get_throttled``, hexadecimal (Raspberry Pi's kernels:
  /sys/devices/platform/soc/soc:firmware/get_throttled; below soc@107c000000 on a Pi 5).
- :class:`UnderVoltageAlarm`: ``in0_lcrit_alarm`` of the hwmon device named ``rpi_volt`` (any kernel since 4.20), which
  knows of under-voltage only.
- :class:`VcgencmdThrottle`: the program, which asks the firmware through /dev/vcio (group ``video``).
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from firmware_bridge.ports import Clock, DeviceError, ThrottleReason
from firmware_bridge.raspberry_pi.polling import Polled

Reasons: TypeAlias = frozenset[ThrottleReason]


class ThrottleSource(Protocol):
    """Answers at once: what it asks may hang. Close it when the board closes."""

    def throttled(self) -> Reasons | None:
        """None: it cannot tell."""

    def failure(self) -> DeviceError | None: ...

    def close(self) -> None: ...


_BITS: Final[dict[int, ThrottleReason]] = {
    0: "under-voltage",
    1: "frequency-capped",
    2: "throttled",
    3: "soft-temperature-limit",
}
"""Of the firmware's answer; bits 16-19 say that it happened since boot, which is no present fault."""

_ANSWER_S: Final = 2.0
"""vcgencmd answers within milliseconds; a firmware that hangs does not answer at all."""


def parse_throttled(text: str) -> Reasons | None:
    """``50005``, ``0x50005`` or ``throttled=0x50005`` → the reasons that hold now; None for anything else."""
    try:
        bits = int(text.strip().removeprefix("throttled="), 16)
    except ValueError:
        return None
    return frozenset(name for bit, name in _BITS.items() if bits >> bit & 1)


class FileThrottle:
    """``path``: the driver's ``get_throttled``. Read on a thread of its own: each reading is a call of the firmware, which
    the kernel waits for."""

    def __init__(self, path: Path, clock: Clock, interval_s: float = 1.0) -> None:
        self._path = path
        self._polled = Polled("get_throttled", self._ask, clock, interval_s=interval_s)

    def throttled(self) -> Reasons | None:
        return self._polled.value()

    def failure(self) -> DeviceError | None:
        return self._polled.failure()

    def close(self) -> None:
        self._polled.close()

    def _ask(self) -> Reasons:
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except OSError as error:
            raise DeviceError(
                "get_throttled", f"{self._path}: 无法查询固件 cannot ask the firmware: {error}", error.errno
            ) from error
        reasons = parse_throttled(text)
        if reasons is None:
            raise DeviceError("get_throttled", f"{self._path}: 不认识的回答 unknown answer {text.strip()!r}")
        return reasons


class UnderVoltageAlarm:
    """``folder``: /sys/class/hwmon/hwmonN whose ``name`` is ``rpi_volt``; the alarm holds for two seconds at least."""

    def __init__(self, folder: Path) -> None:
        self._alarm = folder / "in0_lcrit_alarm"

    def throttled(self) -> Reasons | None:
        text = _read(self._alarm)
        if text is None or text.strip() not in ("0", "1"):
            return None
        return frozenset({"under-voltage"}) if text.strip() == "1" else frozenset()

    def failure(self) -> DeviceError | None:
        """The driver polls the firmware by itself; its file is no more than a flag in memory."""
        if self.throttled() is not None:
            return None
        return DeviceError("rpi_volt", f"{self._alarm}: 无法读取 cannot be read")

    def close(self) -> None:
        pass


class VcgencmdThrottle:
    """``program``: path of vcgencmd. Asked on a thread of its own each ``interval_s``, because it starts a process and the
    firmware may hang. Close it when the board closes."""

    def __init__(self, program: Path, clock: Clock, interval_s: float = 2.0) -> None:
        self._program = program
        self._polled = Polled("vcgencmd", self._ask, clock, interval_s=interval_s, max_age_s=3 * interval_s + _ANSWER_S)

    def throttled(self) -> Reasons | None:
        return self._polled.value()

    def failure(self) -> DeviceError | None:
        return self._polled.failure()

    def close(self) -> None:
        self._polled.close()

    def _ask(self) -> Reasons:
        try:
            answer = subprocess.run(
                [self._program, "get_throttled"],
                capture_output=True,
                check=True,
                encoding="utf-8",
                errors="replace",
                timeout=_ANSWER_S,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DeviceError("vcgencmd", f"{self._program}: 无法查询固件 cannot ask the firmware: {error}") from error
        reasons = parse_throttled(answer.stdout)
        if reasons is None:
            raise DeviceError("vcgencmd", f"{self._program}: 不认识的回答 unknown answer {answer.stdout.strip()!r}")
        return reasons


def throttle_source(
    file: str | None,
    clock: Clock,
    hwmon: Path = Path("/sys/class/hwmon"),
    program: str | None = None,
    platform: Path = Path("/sys/devices/platform"),
) -> ThrottleSource | None:
    """The best there is: the driver's ``file``, ``vcgencmd``, the kernel's under-voltage alarm. The
    node the driver hangs on is named differently by each chip and kernel: a ``file`` that is not there is looked for.
    ``program``: where vcgencmd is; looked for on PATH where None, left out where empty."""
    if file is not None and (told := _driver_file(Path(file), platform)) is not None:
        return FileThrottle(told, clock)
    found = shutil.which("vcgencmd") if program is None else program
    if found:
        return VcgencmdThrottle(Path(found), clock)
    for folder in sorted(hwmon.glob("hwmon*")):
        if (_read(folder / "name") or "").strip() == "rpi_volt":
            return UnderVoltageAlarm(folder)
    return None


def _driver_file(given: Path, platform: Path) -> Path | None:
    if given.exists():
        return given
    return next(iter(sorted(platform.glob("soc*/soc*:firmware/get_throttled"))), None)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
