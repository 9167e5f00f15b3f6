"""Why the processor is slow, from the kernel or from a program that may hang."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.ports import ThrottleReason
from firmware_bridge.raspberry_pi.sysfs import ThermalZone
from firmware_bridge.raspberry_pi.throttling import (
    FileThrottle,
    UnderVoltageAlarm,
    VcgencmdThrottle,
    parse_throttled,
    throttle_source,
)
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.waiting import HeldFile, until


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("0\n", frozenset()),
        ("0x50000", frozenset()),  # it happened since boot and is over
        ("50005\n", frozenset({"under-voltage", "throttled"})),
        ("throttled=0x8\n", frozenset({"soft-temperature-limit"})),
        ("throttled=0x2", frozenset({"frequency-capped"})),
    ],
)
def test_the_firmware_s_bits(text: str, reasons: frozenset[ThrottleReason]) -> None:
    assert parse_throttled(text) == reasons


@pytest.mark.parametrize("text", ["", "?", "VCHI initialization failed", "throttled="])
def test_anything_else_is_no_answer(text: str) -> None:
    assert parse_throttled(text) is None


def test_the_kernel_s_file_and_a_zone_that_asks_it(tmp_path: Path) -> None:
    flags = tmp_path / "get_throttled"
    throttle = FileThrottle(flags, ManualClock(), interval_s=0.005)
    zone, alone = ThermalZone(tmp_path, throttle), ThermalZone(tmp_path)
    assert alone.throttled() is None and alone.failure() is None
    until(lambda: "cannot ask" in str(zone.failure()), "the failure")
    assert zone.throttled() is None
    flags.write_text("?\n")
    until(lambda: "unknown answer" in str(zone.failure()), "the failure of another kind")
    flags.write_text("1\n")
    until(lambda: zone.throttled() == frozenset({"under-voltage"}), "the reasons")
    assert zone.failure() is None
    throttle.close()


def test_a_firmware_that_hangs_stalls_nobody_and_is_a_failure(tmp_path: Path) -> None:
    flags, clock = tmp_path / "get_throttled", ManualClock()
    held = HeldFile(flags)
    throttle = throttle_source(str(flags), clock, tmp_path / "hwmon", "", tmp_path)
    assert throttle is not None and throttle.throttled() is None
    clock.now_us += 5_000_001
    assert "hangs" in str(throttle.failure()) and throttle.throttled() is None
    held.let_go()
    throttle.close()


def test_the_hwmon_alarm(tmp_path: Path) -> None:
    alarm = UnderVoltageAlarm(tmp_path)
    assert alarm.throttled() is None
    for text, reasons in (("0\n", frozenset()), ("1\n", frozenset({"under-voltage"})), ("x\n", None)):
        (tmp_path / "in0_lcrit_alarm").write_text(text)
        assert alarm.throttled() == reasons and (alarm.failure() is None) == (reasons is not None)


def program(folder: Path, body: str) -> Path:
    script = folder / "vcgencmd"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return script


def test_the_program_where_there_is_one(tmp_path: Path) -> None:
    script = program(tmp_path, '[ "$1" = get_throttled ] && echo throttled=0x50005')
    throttle = VcgencmdThrottle(script, ManualClock(), interval_s=0.02)
    until(lambda: throttle.throttled() == frozenset({"under-voltage", "throttled"}), "the program's answer")
    assert throttle.failure() is None
    throttle.close()


@pytest.mark.parametrize(
    ("body", "said"),
    [("echo VCHI initialization failed", "unknown answer"), ("exit 255", "cannot ask"), ("", "vcgencmd")],
)
def test_a_program_that_does_not_answer_is_a_failure(tmp_path: Path, body: str, said: str) -> None:
    script = program(tmp_path, body) if body else tmp_path / "none"
    throttle = VcgencmdThrottle(script, ManualClock(), interval_s=0.02)
    until(lambda: throttle.failure() is not None, "the failure")
    assert said in str(throttle.failure()) and throttle.throttled() is None
    throttle.close()


@pytest.mark.parametrize("node", ["soc", "soc@107c000000"])
def test_a_driver_s_file_that_is_elsewhere_is_found(tmp_path: Path, node: str) -> None:
    """A Pi 4's board file on a Pi 5, and the other way round."""
    firmware = tmp_path / node / f"{node}:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("1\n")
    found = throttle_source("/sys/nowhere", ManualClock(), tmp_path / "hwmon", "", tmp_path)
    assert found is not None
    until(lambda: found.throttled() == frozenset({"under-voltage"}), "the driver's answer")
    found.close()
    assert throttle_source(None, ManualClock(), tmp_path / "hwmon", "", tmp_path) is None


def test_the_best_source_there_is(tmp_path: Path) -> None:
    """The driver's file, else the program, else the alarm that knows of under-voltage only, else nobody."""
    clock, hwmon, file = ManualClock(), tmp_path / "hwmon", tmp_path / "get_throttled"
    assert throttle_source(str(file), clock, hwmon, "", tmp_path) is None
    (hwmon / "hwmon2").mkdir(parents=True)
    (hwmon / "hwmon2" / "name").write_text("rpi_volt\n")
    (hwmon / "hwmon2" / "in0_lcrit_alarm").write_text("1\n")
    alarm = throttle_source(str(file), clock, hwmon, "", tmp_path)
    assert isinstance(alarm, UnderVoltageAlarm) and alarm.throttled() == frozenset({"under-voltage"})
    asked = throttle_source(str(file), clock, hwmon, str(program(tmp_path, "echo throttled=0x4")), tmp_path)
    assert isinstance(asked, VcgencmdThrottle)
    until(lambda: asked.throttled() == frozenset({"throttled"}), "vcgencmd's answer")
    file.write_text("0\n")
    driver = throttle_source(str(file), clock, hwmon, str(tmp_path / "vcgencmd"), tmp_path)
    assert isinstance(driver, FileThrottle)
    until(lambda: driver.throttled() == frozenset(), "the driver's answer")
    for source in (alarm, asked, driver):
        source.close()
