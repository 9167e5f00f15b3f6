"""The battery-backed clock, and whether it bears out the system's."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from firmware_bridge.ports import DeviceError
from firmware_bridge.raspberry_pi.rtc import RealTimeClock, RtcReading
from firmware_bridge.raspberry_pi.timekeeping import board_clock, rtc_offset_s

NOW_S = 1_795_651_200


def rtc(folder: Path, epoch: str, hctosys: str = "1") -> RealTimeClock:
    (folder / "since_epoch").write_text(epoch)
    (folder / "hctosys").write_text(hctosys)
    (folder / "name").write_text("rtc-ds1307 1-0068\n")
    return RealTimeClock(folder)


def test_a_reading(tmp_path: Path) -> None:
    clock = rtc(tmp_path, f"{NOW_S}\n", "1\n")
    assert clock.read() == RtcReading(NOW_S, set_system=True) and clock.name() == "rtc-ds1307 1-0068"
    assert clock.read().offset_s(NOW_S * 1_000_000) == 0.5
    assert rtc_offset_s(clock, (NOW_S - 60) * 1_000_000) == 60.5
    assert rtc(tmp_path, f"{NOW_S}\n", "0\n").read().set_system is False


@pytest.mark.parametrize("epoch", ["946684800\n", "0\n", "1577836800\n"])
def test_a_clock_that_lost_its_battery_has_no_time(tmp_path: Path, epoch: str) -> None:
    clock = rtc(tmp_path, epoch)
    assert not clock.read().plausible() and rtc_offset_s(clock, NOW_S * 1_000_000) is None


def test_a_clock_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"rtc: .*since_epoch") as caught:
        RealTimeClock(tmp_path).read()
    assert caught.value.errno == errno.ENOENT
    with pytest.raises(DeviceError, match="no time"):
        rtc(tmp_path, "soon\n").read()
    assert rtc_offset_s(RealTimeClock(tmp_path / "none"), 0) is None


def test_a_board_without_any_of_it_has_a_clock_all_the_same(tmp_path: Path) -> None:
    clock = board_clock(pps=tmp_path / "pps0", rtc=tmp_path / "rtc0")
    assert clock.quality().source in ("none", "ntp", "nts", "gnss") and clock.wall_us() > 0
