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
from tests.firmware_bridge.raspberry_pi.waiting import until


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
    zone = ThermalZone(tmp_path, FileThrottle(flags).throttled)
    assert zone.throttled() is None and ThermalZone(tmp_path).throttled() is None
    flags.write_text("1\n")
    assert zone.throttled() == frozenset({"under-voltage"})


def test_the_hwmon_alarm(tmp_path: Path) -> None:
    alarm = UnderVoltageAlarm(tmp_path)
    assert alarm.throttled() is None
    for text, reasons in (("0\n", frozenset()), ("1\n", frozenset({"under-voltage"})), ("x\n", None)):
        (tmp_path / "in0_lcrit_alarm").write_text(text)
        assert alarm.throttled() == reasons


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
    ask, _ = throttle_source("/sys/nowhere", ManualClock(), tmp_path / "hwmon", "", tmp_path)
    assert ask is not None and ask() == frozenset({"under-voltage"})
    assert throttle_source(None, ManualClock(), tmp_path / "hwmon", "", tmp_path) == (None, ())


def test_the_best_source_there_is(tmp_path: Path) -> None:
    """The driver's file, else the program, else the alarm that knows of under-voltage only, else nobody."""
    clock, hwmon, file = ManualClock(), tmp_path / "hwmon", tmp_path / "get_throttled"
    assert throttle_source(str(file), clock, hwmon, "") == (None, ())
    (hwmon / "hwmon2").mkdir(parents=True)
    (hwmon / "hwmon2" / "name").write_text("rpi_volt\n")
    (hwmon / "hwmon2" / "in0_lcrit_alarm").write_text("1\n")
    ask, close = throttle_source(str(file), clock, hwmon, "")
    assert ask is not None and ask() == frozenset({"under-voltage"}) and close == ()
    asked, close = throttle_source(str(file), clock, hwmon, str(program(tmp_path, "echo throttled=0x4")))
    until(lambda: asked is not None and asked() == frozenset({"throttled"}), "vcgencmd's answer")
    for end in close:
        end()
    file.write_text("0\n")
    ask, close = throttle_source(str(file), clock, hwmon, str(tmp_path / "vcgencmd"))
    assert ask is not None and ask() == frozenset() and close == ()
