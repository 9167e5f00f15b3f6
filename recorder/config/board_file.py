"""The devices of a board: what ``config/boards/*.toml`` may say, and ``[board.…]`` of any configuration layer.

A board file is a layer just above the defaults (``board_layer``), so a unit's own file changes a single pin with
``[board.gpio]``. Unlike the other models these have defaults, all of them None: a device that is not named is not fitted,
and a value that is not named is the driver's own (``firmware_bridge.raspberry_pi``). Drivers get it all as flat strings
(``recorder.board_options``).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from recorder.config.section import Identifier, Section

NONE: Final = "none"
"""Takes away what a lower layer has: this unit's board lacks that device."""

Pin = Annotated[str, StringConstraints(pattern=r"^(GPIO([0-9]|[1-4][0-9]|5[0-3])(:(low|high))?|none)$")]
"""A line in Broadcom numbering and the level that means pressed or on. Without a level a button is pressed when low (to
ground, with the pull-up), everything else is on when high."""

DeviceFile = Annotated[str, StringConstraints(pattern=r"^(/dev/[\w.:/-]+|none)$")]
SysPath = Annotated[str, StringConstraints(pattern=r"^(/sys/[\w.:@/-]+|none)$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
I2cBus = Annotated[int, Field(ge=0, le=255)]
I2cAddress = Annotated[int, Field(ge=0x08, le=0x77)]
"""7-bit; the rest is reserved (NXP UM10204)."""


class BoardIdentitySection(Section):
    """Printed in reports and in the ``boot`` record (EAT names, RFC 9711); read from the device tree where absent."""

    hwmodel: Name | None = None
    hwversion: Name | None = None


class GpioSection(Section):
    """``chip``: number of /dev/gpiochipN, found by the driver where absent."""

    chip: Annotated[int, Field(ge=0, le=255)] | None = None
    button_record: Pin | None = None
    button_mark: Pin | None = None
    led_red: Pin | None = None
    led_green: Pin | None = None
    led_yellow: Pin | None = None
    vibration: Pin | None = None
    ir_lamp: Pin | None = None
    ir_cut: Pin | None = None
    ignition: Pin | None = None
    power_good: Pin | None = None


class BoardCamera(Section):
    """``index``: picamera2's number of the camera, ``sensor``: the module's libcamera model; either says which it is. Where
    both do, the number counts and ``recorder doctor`` compares the model. Two cameras of one model need a number each.
    ``threads``: of libx264. ``controls``: libcamera's, by name, ``LensPosition = 0.5``. ``microphone``: the sound device
    this camera records, instead of ``[microphone]``; ``none`` for a camera without."""

    index: Annotated[int, Field(ge=0, le=15)] | None = None
    sensor: Name | None = None
    encoder: Literal["v4l2", "libx264"] | None = None
    rotation: Literal[0, 180] | None = None
    tuning: Annotated[str, StringConstraints(pattern=r"^[\w./-]+\.json$")] | None = None
    threads: Annotated[int, Field(ge=1, le=8)] | None = None
    controls: dict[Annotated[str, StringConstraints(pattern=r"^[A-Z]\w*$")], bool | int | float] | None = None
    microphone: Name | None = None


class SoundDevice(Section):
    """``device``: PortAudio's name of it, or a part only one device has. ``latency_ms``: sound arrives that much later than
    the picture (added by converter and driver); it is taken off again."""

    device: Name | None = None
    latency_ms: Annotated[float, Field(ge=-500, le=500)] | None = None


class Loudspeaker(Section):
    device: Name | None = None


class GnssDevice(Section):
    """``device``: the tty, best a udev link; ``pps``: the pulse per second, where it is wired."""

    device: DeviceFile | None = None
    baud: Literal[4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800] | None = None
    pps: DeviceFile | None = None


class BatteryGauge(Section):
    gauge: Literal["max17043", "max17044", "max17048", "max17049"] | None = None
    bus: I2cBus | None = None
    address: I2cAddress | None = None


class PowerMonitor(Section):
    """``monitor`` measures voltage and current. ``measures``: of what; only a battery's current says whether it is charged,
    a supply's flows the same way all day long (the default: nothing is concluded from it). ``reversed``: IN+ is on the
    battery's side. ``supply``: a folder of /sys/class/power_supply."""

    monitor: Literal["ina219", "ina226"] | None = None
    measures: Literal["battery", "supply"] | None = None
    reversed: bool | None = None
    bus: I2cBus | None = None
    address: I2cAddress | None = None
    shunt_ohm: Annotated[float, Field(gt=0, le=10)] | None = None
    supply: SysPath | None = None


class RealTimeClock(Section):
    device: Annotated[str, StringConstraints(pattern=r"^(rtc[0-9]+|none)$")] | None = None


class Thermal(Section):
    """``throttle_file``: the firmware driver's ``get_throttled``; else ``vcgencmd`` is asked where it is installed."""

    zone: SysPath | None = None
    throttle_file: SysPath | None = None


class Light(Section):
    """A folder of /sys/bus/iio/devices."""

    sensor: SysPath | None = None


class BoardWatchdog(Section):
    """Only for a unit without systemd: where systemd has the watchdog (``RuntimeWatchdogSec``) nobody else may open it."""

    device: DeviceFile | None = None
    timeout_s: Annotated[int, Field(ge=2, le=120)] | None = None


class BoardDevices(Section):
    """The whole of a board file."""

    identity: BoardIdentitySection | None = None
    gpio: GpioSection | None = None
    camera: dict[Identifier, BoardCamera] | None = None
    microphone: SoundDevice | None = None
    speaker: Loudspeaker | None = None
    gnss: GnssDevice | None = None
    battery: BatteryGauge | None = None
    power: PowerMonitor | None = None
    rtc: RealTimeClock | None = None
    thermal: Thermal | None = None
    light: Light | None = None
    watchdog: BoardWatchdog | None = None
