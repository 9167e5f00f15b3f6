"""The receiver on a pty, with real pyserial and pynmea2; the pulse on a folder like the kernel's."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Check
from firmware_bridge.raspberry_pi.checks.position import in_use, position
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from firmware_bridge.raspberry_pi.options import OptionReader
from tests.firmware_bridge.manual_clock import ManualClock


def sentence(text: str) -> bytes:
    return f"${text}*{reduce(xor, text.encode()):02X}\r\n".encode()


def fix(number: int) -> bytes:
    """A receiver's burst of one second."""
    at, place = f"1235{number % 60:02d}", "3802.500,N,11430.900,E"
    return sentence(f"GPGGA,{at},{place},1,08,0.9,80.0,M,0.0,M,,") + sentence(
        f"GPRMC,{at},A,{place},000.0,000.0,260926,,,A"
    )


def no_fix(number: int) -> bytes:
    return sentence(f"GPGGA,1235{number % 60:02d},,,,,0,00,,,M,,M,,")


def noise(number: int) -> bytes:
    return b"\xf0\x0f\xaa\r\n"


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """The receiver's end of a line, and the path of ours."""
    ours, theirs = os.openpty()
    yield ours, os.ttyname(theirs)
    for descriptor in (ours, theirs):
        os.close(descriptor)


def looked(path: str, sent: Callable[[int], bytes], ours: int, listen_s: float) -> Check:
    """While the check listens, ``sent(0)``, ``sent(1)``, …"""
    over = threading.Event()

    def send() -> None:
        for number in itertools.count():
            if over.wait(0.05):
                return
            os.write(ours, sent(number))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        (check,) = position(OptionReader({"gnss_device": path}), SystemClock(), listen_s=listen_s)
    finally:
        over.set()
        sender.join()
    return check


def test_a_fix_ends_the_listening(line: tuple[int, str]) -> None:
    check = looked(line[1], fix, line[0], 30)
    assert check.verdict == "ok" and "quality 1" in check.en


@pytest.mark.parametrize(
    ("sent", "verdict", "says"),
    [(no_fix, "warning", "no fix yet"), (noise, "fault", "no good sentence")],
)
def test_no_fix_and_no_sentence(line: tuple[int, str], sent: Callable[[int], bytes], verdict: str, says: str) -> None:
    check = looked(line[1], sent, line[0], 0.5)
    assert check.verdict == verdict and says in check.en and check.advice_zh


def test_the_line_of_a_running_unit_is_left_alone(line: tuple[int, str]) -> None:
    clock = SystemClock()
    unit = SerialGnss(line[1], clock)
    got = threading.Event()
    unit.start(lambda found: got.set())
    try:
        for number in range(200):
            os.write(line[0], fix(number))
            if got.wait(0.05):
                break
        assert got.is_set(), "the unit reads it"
        assert in_use(line[1], 9600)
        (check,) = position(OptionReader({"gnss_device": line[1]}), clock, listen_s=0.1)
    finally:
        unit.stop()
    assert check.verdict == "ok" and "in use" in check.en


def test_no_receiver_and_no_line(tmp_path: Path) -> None:
    assert list(position(OptionReader({}), ManualClock())) == []
    (check,) = position(OptionReader({"gnss_device": str(tmp_path / "tty")}), ManualClock())
    assert check.verdict == "fault" and os.strerror(errno.ENOENT) in check.en


def test_the_pulse(tmp_path: Path) -> None:
    clock = ManualClock()

    def pulse() -> Check:
        (check,) = position(OptionReader({"gnss_pps": "/dev/pps0"}), clock, pps=tmp_path)
        return check

    assert pulse().verdict == "fault" and "pps-gpio" in pulse().advice_en
    (tmp_path / "pps0").mkdir()
    (tmp_path / "pps0" / "assert").write_text("", encoding="ascii")
    assert pulse().verdict == "warning"
    seconds = clock.wall_us() // 1_000_000
    (tmp_path / "pps0" / "assert").write_text(f"{seconds}.000004317#86400\n", encoding="ascii")
    assert pulse().verdict == "ok" and "+4.3 µs" in pulse().en
    clock.now_us += 60_000_000
    assert pulse().verdict == "warning", "it has stopped"
