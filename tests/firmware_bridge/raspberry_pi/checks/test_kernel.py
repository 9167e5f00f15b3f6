"""Temperature, light, clock, watchdog on folders like the kernel's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from firmware_bridge.ports import Check, ClockQuality, ThrottleReason
from firmware_bridge.raspberry_pi.checks import kernel
from firmware_bridge.raspberry_pi.options import OptionReader
from tests.firmware_bridge.manual_clock import ManualClock


def folder(path: Path, files: Mapping[str, str]) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name).write_text(f"{text}\n", encoding="ascii")
    return path


def only(checks: Iterator[Check]) -> Check:
    (check,) = checks
    assert check.verdict == "ok" or (check.advice_zh and check.advice_en)
    return check


@pytest.mark.parametrize(
    ("text", "verdict"), [("47312", "ok"), ("84000", "warning"), ("-274000", "fault"), ("x", "fault")]
)
def test_temperature(tmp_path: Path, text: str, verdict: str) -> None:
    reader = OptionReader({"thermal_zone": str(folder(tmp_path, {"temp": text}))})
    assert next(kernel.thermal(reader, frozenset())).verdict == verdict


@pytest.mark.parametrize(
    ("reasons", "verdict"),
    [(None, "warning"), (set(), "ok"), ({"throttled"}, "warning"), ({"throttled", "under-voltage"}, "fault")],
)
def test_throttling(tmp_path: Path, reasons: set[ThrottleReason] | None, verdict: str) -> None:
    reader = OptionReader({"thermal_zone": str(tmp_path)})
    *_, check = kernel.thermal(reader, None if reasons is None else frozenset(reasons))
    assert (check.device, check.verdict) == ("thermal.throttling", verdict)


def test_light_and_supply(tmp_path: Path) -> None:
    light = {"light_sensor": str(folder(tmp_path / "iio", {"in_illuminance_input": "312.4"}))}
    assert only(kernel.light(OptionReader(light))).en == "312 lx"
    assert only(kernel.light(OptionReader({"light_sensor": str(tmp_path)}))).verdict == "fault"
    assert list(kernel.light(OptionReader({}))) == []
    battery = folder(tmp_path / "bat", {"capacity": "71", "voltage_now": "3900000", "status": "Discharging"})
    assert "71.0 %" in only(kernel.supply(OptionReader({"power_supply": str(battery)}))).en
    assert only(kernel.supply(OptionReader({"power_supply": str(tmp_path / "gone")}))).verdict == "fault"


@pytest.mark.parametrize(
    ("seconds", "hctosys", "verdict", "says"),
    [
        (0, "1", "ok", "+0."),
        (5, "1", "warning", "off the system's time"),
        (0, "0", "warning", "at boot"),
        (-1_700_000_000, "1", "fault", "never set"),
    ],
)
def test_rtc(tmp_path: Path, seconds: int, hctosys: str, verdict: str, says: str) -> None:
    clock = ManualClock()
    files = {
        "since_epoch": str(clock.wall_us() // 1_000_000 + seconds),
        "hctosys": hctosys,
        "name": "rtc-rv3028 1-0052",
    }
    folder(tmp_path / "rtc0", files)
    check = only(kernel.rtc(OptionReader({"rtc_device": "rtc0"}), clock, tmp_path))
    assert check.verdict == verdict and says in check.en and "rtc-rv3028" in check.en


def test_no_rtc(tmp_path: Path) -> None:
    assert only(kernel.rtc(OptionReader({}), ManualClock(), tmp_path)).verdict == "warning"
    assert only(kernel.rtc(OptionReader({"rtc_device": "rtc0"}), ManualClock(), tmp_path)).verdict == "fault"


class Clock(ManualClock):
    def __init__(self, quality: ClockQuality, wall_us: int) -> None:
        super().__init__()
        self._quality, self._wall_us = quality, wall_us

    def wall_us(self) -> int:
        return self._wall_us

    def quality(self) -> ClockQuality:
        return self._quality


@pytest.mark.parametrize(
    ("quality", "wall_s", "verdict"),
    [
        (ClockQuality("gnss", True, 0.01), 1_790_000_000, "ok"),
        (ClockQuality("rtc", False, None), 1_790_000_000, "warning"),
        (ClockQuality("none", False, None), 0, "fault"),
    ],
)
def test_clock(quality: ClockQuality, wall_s: int, verdict: str) -> None:
    assert only(kernel.time(Clock(quality, wall_s * 1_000_000))).verdict == verdict


@pytest.mark.parametrize(
    ("option", "state", "verdict"),
    [
        ("none", "active", "ok"),
        ("none", "inactive", "warning"),
        ("/dev/watchdog", "active", "ok"),
        ("/dev/watchdog1", "", "fault"),
    ],
)
def test_watchdog_is_looked_at_and_never_opened(tmp_path: Path, option: str, state: str, verdict: str) -> None:
    folder(tmp_path / "watchdog0", {"identity": "Broadcom BCM2835 Watchdog timer", "timeout": "15", "state": state})
    check = only(kernel.watchdog(OptionReader({"watchdog_device": option}), tmp_path))
    assert check.verdict == verdict
