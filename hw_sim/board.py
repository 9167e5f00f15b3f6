"""The simulated board: real drivers on simulated lines (``[board] module = "hw_sim.board"``, options ``world = SOCKET``).

Buttons and outputs are the gpiozero drivers of the Raspberry Pi on gpiozero's mock pins, the receiver is the serial driver
on a pseudo-terminal, the camera is the real encoder on rendered frames. Only what is below them is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from gpiozero.pins import mock

from firmware_bridge.board import CaptureDevices, UnitDevices, attempt
from firmware_bridge.ports import (
    BoardIdentity,
    BoardOptions,
    CaptureBoard,
    Check,
    Clock,
    DeviceCheck,
    DeviceError,
    Output,
)
from firmware_bridge.raspberry_pi.board import compose
from firmware_bridge.raspberry_pi.gpio import PinSpec
from firmware_bridge.raspberry_pi.ignition import GpioIgnition
from hw_sim.board_link import clock_of, connect
from hw_sim.devices.card import SimulatedCard
from hw_sim.devices.sensors import SimulatedLight, SimulatedPower, SimulatedThermal
from hw_sim.devices.speaker import SimulatedSpeaker
from hw_sim.world_client import WorldClient
from hw_sim.world_keys import Value

_mock: Any = mock  # a library without types

WIRING: Final[BoardOptions] = {
    "button_record": "GPIO17",
    "button_mark": "GPIO27",
    "led_red": "GPIO5",
    "led_green": "GPIO6",
    "led_yellow": "GPIO13",
    "vibration": "GPIO19",
    "ir_lamp": "GPIO20",
    "ir_cut": "GPIO21",
}
"""Which pin is what on the simulated board; buttons pull low, outputs are on when high. Options may rewire it."""


_WORLDS: Final = (
    "battery_",
    "camera.",
    "gnss_device",
    "gnss_pps",
    "gpio_chip",
    "light_",
    "microphone_",
    "power_",
    "rtc_",
    "thermal_",
    "watchdog_",
)

IGNITION_OFF_US: Final = 500_000
"""A simulated starter motor turns for less."""


def ignition_pin(wiring: BoardOptions) -> PinSpec:
    """A board without the option has the line all the same where the world has an ignition."""
    return PinSpec.parse("ignition", wiring.get("ignition", "GPIO22"), default_high=True)


def unit_board(options: BoardOptions) -> UnitDevices:
    """Raises DeviceError when there is no world at ``options["world"]``. Options of a real board's file are welcome: its
    pins are wired as they are, its other devices are the world's."""
    client = connect(options, {"hello": "unit"})
    clock = clock_of(client)
    factory = _mock.MockFactory()
    wiring = {**WIRING, **{key: value for key, value in options.items() if not _simulated(key)}}
    wiring["gnss_device"] = str(client.get("gnss.tty"))
    identity = BoardIdentity(ueid=f"sim-{client.get('seed')}", hwmodel="hw-sim body-worn", hwversion="1")
    board = compose(wiring, factory, clock, identity)
    lines = _Lines(factory, wiring)
    for name, output in board.outputs.items():
        board.outputs[name] = _ReportedOutput(name, output, lines, client, clock)
    client.subscribe(lines.press)
    client.start()
    for name in board.buttons:
        lines.press(f"button.{name}", client.get(f"button.{name}"))
    if client.get("ignition") != "none":
        if board.ignition is None:
            sense = partial(GpioIgnition, ignition_pin(wiring), factory, clock, off_us=IGNITION_OFF_US)
            board.ignition = attempt(board.faults, sense)
        lines.press("ignition", client.get("ignition"))
    board.light = SimulatedLight(client.get, client.connected)
    board.power = SimulatedPower(client.get, client.connected)
    board.thermal = SimulatedThermal(client.get, client.connected)
    if board.speaker is None:  # else the real driver, on whatever ALSA is told to be
        board.speaker = SimulatedSpeaker(clock, client, lambda: _speaker_folder(client, Path(options["world"])))
    board.medium = SimulatedCard(client.get, "journal")
    board.on_close = (*board.on_close, client.close, factory.close)
    return board


def capture_board(options: BoardOptions, camera_id: str) -> CaptureBoard:
    """Raises DeviceError when there is no world at ``options["world"]``."""
    # Imported here: the unit process loads this module too and has no use for 20 MB of codecs.
    from firmware_bridge.software_encoder import SoftwareEncodedCamera
    from hw_sim.devices.camera import SimulatedSensor
    from hw_sim.devices.microphone import SimulatedMicrophone

    client = connect(options, {"hello": "worker", "camera_id": camera_id})
    client.start()
    clock = clock_of(client)
    return CaptureDevices(
        clock=clock,
        camera=SoftwareEncodedCamera(SimulatedSensor(clock, client.get, client.connected), clock),
        microphone=SimulatedMicrophone(clock, client.get, client.connected),
        medium=SimulatedCard(client.get, "media"),
        on_close=(client.close,),
    )


def diagnose(options: BoardOptions, cameras: Sequence[str]) -> list[DeviceCheck]:
    """``ports.DiagnosableBoard``: the world is one device, however many it says something of."""
    return [("world", lambda: _look_at_world(options, cameras))]


def _look_at_world(options: BoardOptions, cameras: Sequence[str]) -> Iterator[Check]:
    """The world, and what its devices say just now."""
    try:
        client = connect(options, {"hello": "doctor"})
    except DeviceError as error:
        advice = ("先启动仿真世界：hw-sim run", "start the world first: hw-sim run")
        yield Check("world", "fault", str(error), str(error), *advice)
        return
    try:
        yield Check("world", "ok", str(options["world"]), str(options["world"]))
        source = clock_of(client).quality().source
        yield Check("clock", "warning" if source == "none" else "ok", source, source)
        for camera_id in cameras:
            yield _seen(f"camera.{camera_id}", client.get("camera.failure"))
        yield _seen("microphone", client.get("microphone.failure"))
        yield _seen("gnss", client.get("gnss.failure"))
        yield _seen("card", client.get("card.failure"))
        for device, key in (("battery", "battery_percent"), ("thermal", "temperature_c"), ("light", "lux")):
            yield Check(device, "ok", f"{key} = {client.get(key)}", f"{key} = {client.get(key)}")
    finally:
        client.close()


def _seen(device: str, failure: Value) -> Check:
    if failure == "ok":
        return Check(device, "ok", "正常", "well")
    advice = (f"仿真故障：fault {device} ok", f"a simulated fault: fault {device} ok")
    return Check(device, "fault", f"故障 {failure}", f"failure: {failure}", *advice)


def _simulated(option: str) -> bool:
    """Whether the world stands for the device that a real board's option names, or the option is the simulator's own."""
    return option == "world" or option.startswith(_WORLDS)


def _speaker_folder(client: WorldClient, socket: Path) -> Path:
    """Where the run keeps what the loudspeaker played; beside the world's socket where nobody says."""
    return Path(str(client.get("speaker.folder")) or socket.with_name(socket.name + ".speaker"))


class _Lines:
    """Between the world and the mock pins: fingers and ignition drive input lines, output lines report changes."""

    def __init__(self, factory: Any, wiring: BoardOptions) -> None:
        self._factory = factory
        self._wiring = wiring
        self._ignition = ignition_pin(wiring)

    def press(self, key: str, value: Value) -> None:
        if key == "ignition":
            spec, active = self._ignition, value == "on"
        elif key.startswith("button.") and (text := self._button(key)) is not None:
            spec, active = PinSpec.parse(key, text, default_high=False), bool(value)
        else:
            return
        line = self._factory.pin(spec.pin)
        if active == spec.active_high:
            line.drive_high()
        else:
            line.drive_low()

    def _button(self, key: str) -> str | None:
        text = self._wiring.get(f"button_{key.removeprefix('button.')}")
        return None if text == "none" else text

    def is_on(self, name: str) -> bool:
        """What the line itself says, not what the driver believes it did."""
        pin, _, level = self._wiring[name].partition(":")
        return bool(self._factory.pin(pin).state) != (level == "low")


class _ReportedOutput:
    """``ports.Output``: the real driver, and behind it somebody who watches the lamp."""

    def __init__(self, name: str, driver: Output, lines: _Lines, client: WorldClient, clock: Clock) -> None:
        self._name = name
        self._driver = driver
        self._lines = lines
        self._client = client
        self._clock = clock
        self._seen = lines.is_on(name)

    def set(self, on: bool) -> None:
        self._driver.set(on)
        self._look()

    def is_on(self) -> bool:
        return self._driver.is_on()

    def close(self) -> None:
        self._driver.set(False)
        self._look()
        self._driver.close()

    def _look(self) -> None:
        lit = self._lines.is_on(self._name)
        if lit != self._seen:
            self._seen = lit
            self._client.report_output(self._name, lit, self._clock.boottime_us())
