"""What the kernel shows as files: temperature, throttling, light, power supply, RTC, watchdog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from firmware_bridge.ports import Check, Clock, DeviceError, ThrottleReason
from firmware_bridge.raspberry_pi.checks.verdicts import fault, ok, refused, warning
from firmware_bridge.raspberry_pi.options import OptionReader
from firmware_bridge.raspberry_pi.rtc import PLAUSIBLE_FROM_S, RealTimeClock
from firmware_bridge.raspberry_pi.sysfs import IioLightSensor, SysfsPowerSupply, ThermalZone, text_in

HOT_C: Final = 80.0
"""Where the firmware begins to slow the processor down."""
RTC_OFF_S: Final = 2.0
_PLAUSIBLE_C: Final = (-40.0, 130.0)


def thermal(reader: OptionReader, throttled: frozenset[ThrottleReason] | None) -> Iterator[Check]:
    """``throttled``: the present reasons; None: nobody can tell."""
    folder = reader.text("thermal_zone")
    if folder is None:
        return
    value = ThermalZone(Path(folder)).temperature_c()
    low, high = _PLAUSIBLE_C
    if value is None or not low < value < high:
        yield fault(
            "thermal",
            f"{folder}: 无法读取",
            f"{folder} cannot be read",
            "核对 [board.thermal] zone",
            "check [board.thermal] zone",
        )
    elif value >= HOT_C:
        yield warning("thermal", f"{value:.0f} °C", f"{value:.0f} °C", "改善散热", "let it cool; improve the heat sink")
    else:
        yield ok("thermal", f"{value:.0f} °C", f"{value:.0f} °C")
    yield _throttling(throttled)


def _throttling(reasons: frozenset[ThrottleReason] | None) -> Check:
    if reasons is None:
        return warning(
            "thermal.throttling",
            "无法得知是否降频",
            "nobody can tell whether the processor is slowed down",
            "安装 vcgencmd（raspi-utils），用户加入 video 组",
            "install vcgencmd (raspi-utils); the user must be in group video",
        )
    if not reasons:
        return ok("thermal.throttling", "未降频", "not slowed down")
    listed = ", ".join(sorted(reasons))
    if "under-voltage" in reasons:
        return fault(
            "thermal.throttling",
            f"供电不足：{listed}",
            f"under-voltage: {listed}",
            "换用足够的电源和较短较粗的线：供电不足会损坏存储卡上的文件系统",
            "use a sufficient supply and a short, thick cable: under-voltage spoils file systems",
        )
    return warning("thermal.throttling", listed, listed, "改善散热", "improve the cooling")


def light(reader: OptionReader) -> Iterator[Check]:
    folder = reader.text("light_sensor")
    if folder is None:
        return
    lux = IioLightSensor(Path(folder)).lux()
    if lux is None:
        yield fault(
            "light",
            f"{folder}: 无法读取",
            f"{folder} cannot be read",
            "加载传感器的 IIO 驱动（dtoverlay=i2c-sensor,…）；没有它就无法判定镜头遮挡，也不切换夜视",
            "load the sensor's IIO driver (dtoverlay=i2c-sensor,…); else neither a covered lens nor the night is noticed",
        )
    else:
        yield ok("light", f"{lux:.0f} lx", f"{lux:.0f} lx")


def supply(reader: OptionReader) -> Iterator[Check]:
    folder = reader.text("power_supply")
    if folder is None:
        return
    supply = SysfsPowerSupply(Path(folder))
    if (failure := supply.failure()) is not None:
        yield refused("power.supply", failure, "核对 [board.power] supply", "check [board.power] supply")
        return
    state = supply.state()
    seen = f"{state.battery_percent} %, {state.voltage_v} V, external: {state.external}"
    yield ok("power.supply", seen, seen)


def rtc(reader: OptionReader, clock: Clock, classes: Path = Path("/sys/class/rtc")) -> Iterator[Check]:
    name = reader.text("rtc_device")
    if name is None:
        yield warning(
            "rtc",
            "板卡没有实时时钟",
            "the board has no real-time clock",
            "没有实时时钟的设备断电后不知道时间，直到联网或定位",
            "such a unit does not know the time after a power cut until it has network or a fix",
        )
        return
    device = RealTimeClock(classes / name)
    try:
        reading = device.read()
    except DeviceError as error:
        yield refused(
            "rtc",
            error,
            "config.txt: dtoverlay=i2c-rtc,…；检查电池",
            "config.txt: dtoverlay=i2c-rtc,…; check its battery",
        )
        return
    offset_s = reading.offset_s(clock.wall_us())
    seen = f"{device.name() or name}: {offset_s:+.1f} s"
    if not reading.plausible():
        yield fault(
            "rtc",
            f"{seen}，从未校准",
            f"{seen}, never set",
            "检查电池，然后 hwclock --systohc",
            "check the battery, then hwclock --systohc",
        )
    elif abs(offset_s) > RTC_OFF_S:
        yield warning(
            "rtc",
            f"{seen}，与系统时间不符",
            f"{seen} off the system's time",
            "系统时间正确时：hwclock --systohc",
            "when the system's time is right: hwclock --systohc",
        )
    elif not reading.set_system:
        yield warning(
            "rtc",
            f"{seen}，开机时内核未用它校时",
            f"{seen}; the kernel did not set the clock from it at boot",
            "驱动须在内核中或 initramfs 中",
            "its driver must be built in or in the initramfs",
        )
    else:
        yield ok("rtc", seen, seen)


def time(clock: Clock) -> Iterator[Check]:
    """What the wall clock is worth, and who says so."""
    quality = clock.quality()
    error = "" if quality.max_error_ms is None else f", ±{quality.max_error_ms:.0f} ms"
    seen = f"{quality.source}{error}"
    advice = (
        "联网并启用 chrony，或使用带秒脉冲的定位模块；实时时钟须有电池",
        "give it a network and chrony, or a receiver with a pulse per second; the RTC needs its battery",
    )
    if clock.wall_us() < PLAUSIBLE_FROM_S * 1_000_000:
        yield fault("clock", f"{seen}，时钟未校准", f"{seen}: the clock is not set", *advice)
    elif not quality.synchronized:
        yield warning("clock", f"{seen}，没有时间来源", f"{seen}: nothing keeps it right", *advice)
    else:
        yield ok("clock", seen, seen)


def watchdog(reader: OptionReader, classes: Path = Path("/sys/class/watchdog")) -> Iterator[Check]:
    """Never opened: that would arm it, and this process would not feed it."""
    wanted = reader.text("watchdog_device")
    folder = classes / (Path(wanted).name if wanted else "watchdog0")
    folder = classes / "watchdog0" if folder.name == "watchdog" else folder
    if not folder.is_dir():
        yield fault(
            "watchdog",
            f"没有看门狗 {folder.name}",
            f"there is no {folder.name}",
            "config.txt: dtparam=watchdog=on",
            "config.txt: dtparam=watchdog=on",
        )
        return
    identity, timeout = text_in(folder / "identity") or "?", text_in(folder / "timeout") or "?"
    seen = f"{identity}, {timeout} s"
    if text_in(folder / "state") == "active":
        yield ok("watchdog", f"{seen}，已启用", f"{seen}, active")
    else:
        yield warning(
            "watchdog",
            f"{seen}，未启用：系统停住时不会复位",
            f"{seen}, not active: a hung system is not reset",
            "启用 systemd 的 RuntimeWatchdogSec（本软件包附带），重新启动",
            "let systemd feed it (RuntimeWatchdogSec, shipped with this package) and reboot",
        )
