"""The GNSS receiver: are there sentences, is there a fix? And its pulse per second."""

from __future__ import annotations

import contextlib
import queue
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import serial

from firmware_bridge.ports import Check, Clock, GnssFix
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, refused, warning
from firmware_bridge.raspberry_pi.gnss import SerialGnss
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.pps import PulsePerSecond

LISTEN_S: Final = 3.0

Busy = Callable[[str, int], bool]
"""``busy(device, baud)``: does another process read this line? Raises OSError."""


def in_use(device: str, baud: int) -> bool:
    """The driver locks its line; whoever reads beside it would take its bytes away."""
    try:
        serial.Serial(device, baud, timeout=0, exclusive=True).close()
    except serial.SerialException as error:
        if "exclusively" in str(error):
            return True
        raise
    except termios.error as error:
        raise OSError(*error.args) from error
    return False


def position(
    reader: OptionReader,
    clock: Clock,
    busy: Busy = in_use,
    listen_s: float = LISTEN_S,
    pps: Path = Path("/sys/class/pps"),
) -> Iterator[Check]:
    device = reader.text("gnss_device")
    if device is not None:
        yield _receiver(device, reader.integer("gnss_baud", 9600, 1200, 921_600), clock, busy, listen_s)
    pulse = reader.text("gnss_pps")
    if pulse is not None:
        yield _pulse(pps / Path(pulse).name, clock)


def _receiver(device: str, baud: int, clock: Clock, busy: Busy, listen_s: float) -> Check:
    try:
        if busy(device, baud):
            return ok("gnss", f"{device} 正由记录单元使用", f"{device} is in use, by the unit")
    except OSError as error:
        return refused(
            "gnss",
            error,
            "检查接线和供电；config.txt: enable_uart=1；关闭串口控制台；用户加入 dialout 组",
            "check wires and supply; config.txt: enable_uart=1; no serial console; the user must be in group dialout",
        )
    receiver = SerialGnss(device, clock, baud=baud)
    fixes: queue.SimpleQueue[GnssFix] = queue.SimpleQueue()
    receiver.start(fixes.put)
    fix = None
    with contextlib.suppress(queue.Empty):
        fix = fixes.get(timeout=listen_s)
    counters = receiver.counters()
    receiver.stop()
    if fix is not None:
        seen = f"{device}: quality {fix.quality}, satellites {fix.satellites}, HDOP {fix.hdop}"
        return ok("gnss", seen, seen)
    if counters.good == 0:
        return fault(
            "gnss",
            f"{device}: {listen_s:g} 秒内没有可用语句（校验错 {counters.bad_checksum}，无法解析 {counters.unparsable}）",
            f"{device}: no good sentence in {listen_s:g} s "
            f"(bad checksums: {counters.bad_checksum}, unparsable: {counters.unparsable})",
            f"TX 与 RX 是否接反？波特率是否为 {baud}？",
            f"are TX and RX crossed? Is it {baud} baud?",
        )
    return warning(
        "gnss",
        f"{device}: {counters.good} 条语句，尚无定位",
        f"{device}: {counters.good} sentences, no fix yet",
        "到室外，天线朝天；冷启动需数分钟",
        "go outside with the antenna to the sky; a cold start takes minutes",
    )


def _pulse(folder: Path, clock: Clock) -> Check:
    if not folder.is_dir():
        return fault(
            "gnss.pps",
            f"没有 {folder}",
            f"there is no {folder}",
            "config.txt: dtoverlay=pps-gpio,gpiopin=4",
            "config.txt: dtoverlay=pps-gpio,gpiopin=4",
        )
    pulse = PulsePerSecond(folder).last()
    if pulse is None or not pulse.fresh(clock.wall_us()):
        return warning(
            "gnss.pps",
            "没有秒脉冲",
            "no pulse per second",
            "接收机定位后才有脉冲；核对引脚",
            "receivers give it once they have a fix; check the pin",
        )
    offset_us = pulse.offset_ns / 1000
    return ok(
        "gnss.pps",
        f"脉冲 {pulse.sequence}，系统时钟偏差 {offset_us:+.1f} µs",
        f"pulse {pulse.sequence}, clock off by {offset_us:+.1f} µs",
    )
