"""Rules between the devices of a board: what cannot be wired like that. Pure functions of the validated configuration.

All of them are tolerable or warnings: a unit with a wrong board file records with the devices that do work.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from recorder.config.board_file import NONE
from recorder.config.finding import Finding, Rule
from recorder.config.models import RecorderConfig
from recorder.config.problems import KeyPath, dotted

DEFAULT_I2C_BUS: Final = 1
DEFAULT_ADDRESS: Final = {
    **dict.fromkeys(("max17043", "max17044", "max17048", "max17049"), 0x36),
    "ina219": 0x40,
    "ina226": 0x40,
}
"""Where these chips answer when nothing is strapped (their data sheets)."""

I2C1_PINS: Final = ("GPIO2", "GPIO3")
PPS_PIN: Final = "GPIO4"
"""Where the shipped boards have the receiver's pulse: dtoverlay=pps-gpio,gpiopin=4."""
UART0_PINS: Final = ("GPIO14", "GPIO15")
UART0: Final = ("/dev/serial0", "/dev/ttyAMA0", "/dev/ttyS0")

V4L2_PIXELS_PER_S: Final = 1920 * 1080 * 30
"""What Raspberry Pi promises of the VC4's H.264 encoder, for all cameras together (Pi 3 and 4 product briefs)."""


def pins_used_once(config: RecorderConfig) -> Iterator[Finding]:
    for pin, users in _pins(config).items():
        if len(users) > 1:
            yield Finding(
                tuple(reversed(users)),
                f"引脚 {pin} 已用于 {dotted(users[0])}",
                f"pin {pin} is already used by {dotted(users[0])}",
                tolerable=True,
            )


def pins_not_of_a_bus(config: RecorderConfig) -> Iterator[Finding]:
    pins = _pins(config)
    buses: list[tuple[str, tuple[str, ...]]] = []
    if any(bus == DEFAULT_I2C_BUS for _, bus, _ in _chips(config)):
        buses.append(("I²C 1", I2C1_PINS))
    if config.board.gnss is not None and config.board.gnss.device in UART0:
        buses.append((f"{config.board.gnss.device} (UART)", UART0_PINS))
    for bus, taken in buses:
        for pin in taken:
            for user in pins.get(pin, ()):
                yield Finding((user,), f"引脚 {pin} 属于 {bus}", f"pin {pin} belongs to {bus}", tolerable=True)


def pin_not_of_the_pulse(config: RecorderConfig) -> Iterator[Finding]:
    """A warning: which pin the pulse really has is in config.txt, of which this file knows nothing."""
    gnss = config.board.gnss
    if gnss is None or gnss.pps in (None, NONE):
        return
    for user in _pins(config).get(PPS_PIN, ()):
        yield Finding(
            (user,),
            f"引脚 {PPS_PIN} 通常接秒脉冲（dtoverlay=pps-gpio,gpiopin=4）",
            f"pin {PPS_PIN} usually has the pulse per second (dtoverlay=pps-gpio,gpiopin=4)",
            severity="warning",
        )


def addresses_used_once(config: RecorderConfig) -> Iterator[Finding]:
    """Two chips at one address answer at the same time: both readings are nonsense."""
    seen: dict[tuple[int, int], KeyPath] = {}
    for section, bus, address in _chips(config):
        other = seen.setdefault((bus, address), section)
        if other != section:
            yield Finding(
                ((*section, "address"), (*section, "bus"), section),
                f"I²C {bus} 上的地址 0x{address:02x} 已用于 {dotted(other)}",
                f"address 0x{address:02x} on I²C bus {bus} is already used by {dotted(other)}",
                tolerable=True,
            )


def cameras_on_the_board(config: RecorderConfig) -> Iterator[Finding]:
    """A missing one is a warning: it is tried all the same (``recorder.board_options``), and a fault if it is not there."""
    fitted = config.board.camera
    if not fitted:
        return
    names = ", ".join(sorted(fitted))
    for camera in config.cameras:
        if camera not in fitted:
            yield Finding(
                (("cameras", camera),),
                f"板卡没有摄像头 {camera}（有 {names}）",
                f"the board has no camera {camera} (it has {names})",
                severity="warning",
            )
    indices: dict[int, str] = {}
    for camera, device in fitted.items():
        if device.index is not None and (other := indices.setdefault(device.index, camera)) != camera:
            yield Finding(
                (("board", "camera", camera, "index"),),
                f"摄像头序号 {device.index} 已用于 {other}",
                f"camera index {device.index} is already used by {other}",
                tolerable=True,
            )


def one_camera_of_a_model(config: RecorderConfig) -> Iterator[Finding]:
    """The driver takes the first camera of a model that libcamera lists: of two, which is the first is chance, and both
    would open the same one. A number says which."""
    fitted = config.board.camera or {}
    models: dict[str, list[str]] = defaultdict(list)
    for camera, device in fitted.items():
        if device.sensor is not None:
            models[device.sensor].append(camera)
    for model, cameras in models.items():
        for camera in cameras if len(cameras) > 1 else ():
            if fitted[camera].index is None:
                others = ", ".join(other for other in cameras if other != camera)
                yield Finding(
                    (("board", "camera", camera, "sensor"),),
                    f"{others} 也是 {model}，型号不足以区分；请写 [board.camera.{camera}] index",
                    f"{others} is a {model}, too: the model does not say which camera; give [board.camera.{camera}] index",
                    tolerable=True,
                )


def hardware_encoder_suffices(config: RecorderConfig) -> Iterator[Finding]:
    """Beyond it frames are dropped, and nothing but the time stamps says so."""
    fitted = config.board.camera or {}
    loads = {
        name: camera.width * camera.height * camera.frame_rate
        for name, camera in config.cameras.items()
        if name in fitted and fitted[name].encoder == "v4l2"
    }
    if sum(loads.values()) > V4L2_PIXELS_PER_S:
        least = min(loads, key=lambda name: loads[name])
        share = sum(loads.values()) / V4L2_PIXELS_PER_S
        yield Finding(
            (("board", "camera", least, "encoder"), ("cameras", least, "frame_rate")),
            f"硬件编码器负荷为 1080p30 的 {share:.1f} 倍，会丢帧；可将 {least} 改为 libx264",
            f"{share:.1f} times 1080p30 for the hardware encoder, frames will be dropped; libx264 for {least} relieves it",
            severity="warning",
        )


def chips_are_whole(config: RecorderConfig) -> Iterator[Finding]:
    """A bus or an address without a chip is probably a chip that was forgotten."""
    for section, key, table in (
        ("battery", "gauge", config.board.battery),
        ("power", "monitor", config.board.power),
    ):
        if table is None or getattr(table, key) is not None:
            continue
        for stray in ("address", "bus", "measures", "reversed", "shunt_ohm"):
            if getattr(table, stray, None) is not None:
                yield Finding(
                    (("board", section, stray),),
                    f"没有 {key}，此项不起作用",
                    f"has no effect without {key}",
                    severity="warning",
                )
                break
    power = config.board.power
    if power is not None and power.monitor is not None and power.shunt_ohm is None:
        yield Finding(
            (("board", "power", "monitor"),),
            "缺少 shunt_ohm：没有分流电阻值就没有电流",
            "shunt_ohm is missing: without it there is no current",
            severity="warning",
        )
    if power is not None and power.monitor is not None and power.measures is None:
        yield Finding(
            (("board", "power", "monitor"),),
            '未写 measures，按 "supply"（供电）处理：不据此判断是否在充电',
            'measures is missing and taken as "supply": nothing is concluded about charging',
            severity="warning",
        )


BOARD_RULES: Final[tuple[Rule, ...]] = (
    pins_used_once,
    pins_not_of_a_bus,
    pin_not_of_the_pulse,
    addresses_used_once,
    cameras_on_the_board,
    one_camera_of_a_model,
    hardware_encoder_suffices,
    chips_are_whole,
)


def _pins(config: RecorderConfig) -> dict[str, list[KeyPath]]:
    """Pin to who uses it, in the order of the model."""
    users: dict[str, list[KeyPath]] = defaultdict(list)
    gpio = config.board.gpio
    for name, text in gpio.model_dump(exclude_none=True, exclude={"chip"}).items() if gpio is not None else ():
        if text != NONE:
            users[text.partition(":")[0]].append(("board", "gpio", name))
    return users


def _chips(config: RecorderConfig) -> Iterator[tuple[KeyPath, int, int]]:
    """Section, bus and address of each I²C chip."""
    battery, power = config.board.battery, config.board.power
    if battery is not None and battery.gauge is not None:
        yield ("board", "battery"), *_at(battery.bus, battery.address, battery.gauge)
    if power is not None and power.monitor is not None:
        yield ("board", "power"), *_at(power.bus, power.address, power.monitor)


def _at(bus: int | None, address: int | None, chip: str) -> tuple[int, int]:
    return DEFAULT_I2C_BUS if bus is None else bus, DEFAULT_ADDRESS[chip] if address is None else address
