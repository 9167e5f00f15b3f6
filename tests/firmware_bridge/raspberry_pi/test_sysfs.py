"""Files as the kernel writes them, and files that are not there."""

from __future__ import annotations

from pathlib import Path

from firmware_bridge.ports import BoardIdentity, PowerState
from firmware_bridge.raspberry_pi.board import compose
from firmware_bridge.raspberry_pi.sysfs import IioLightSensor, PolledLight, SysfsPowerSupply, ThermalZone
from tests.firmware_bridge.manual_clock import ManualClock
from tests.firmware_bridge.raspberry_pi.waiting import HeldFile, until


def test_thermal_zone(tmp_path: Path) -> None:
    assert ThermalZone(tmp_path).temperature_c() is None
    (tmp_path / "temp").write_text("48312\n")
    assert ThermalZone(tmp_path).temperature_c() == 48.312
    (tmp_path / "temp").write_text("hot\n")
    assert ThermalZone(tmp_path).temperature_c() is None


def test_power_supply(tmp_path: Path) -> None:
    supply = SysfsPowerSupply(tmp_path)
    assert supply.state() == PowerState(None, None, None)
    (tmp_path / "capacity").write_text("73\n")
    (tmp_path / "voltage_now").write_text("3852000\n")
    (tmp_path / "status").write_text("Discharging\n")
    assert supply.state() == PowerState(73.0, 3.852, False)
    for status, external in (("Charging", True), ("Full", True), ("Not charging", True), ("Unknown", None)):
        (tmp_path / "status").write_text(f"{status}\n")
        assert supply.state().external is external
    for nonsense in ("-1\n", "255\n", "full\n"):
        (tmp_path / "capacity").write_text(nonsense)
        assert supply.state().battery_percent is None


def test_a_charger_tells_whether_it_is_fed_and_nothing_of_the_battery(tmp_path: Path) -> None:
    (tmp_path / "type").write_text("Mains\n")
    (tmp_path / "voltage_now").write_text("5100000\n")
    for online, external in (("1\n", True), ("0\n", False), ("?\n", None)):
        (tmp_path / "online").write_text(online)
        assert SysfsPowerSupply(tmp_path).state() == PowerState(None, None, external)


def test_a_supply_the_kernel_took_away_is_a_failure(tmp_path: Path) -> None:
    assert SysfsPowerSupply(tmp_path).failure() is None
    failure = SysfsPowerSupply(tmp_path / "gone").failure()
    assert failure is not None and "gone" in str(failure)


def test_light_sensor_processed_or_raw(tmp_path: Path) -> None:
    sensor = IioLightSensor(tmp_path)
    assert sensor.lux() is None
    (tmp_path / "in_illuminance_raw").write_text("120\n")
    (tmp_path / "in_illuminance_scale").write_text("0.5\n")
    assert sensor.lux() == 60.0
    (tmp_path / "in_illuminance_input").write_text("61.5\n")
    assert sensor.lux() == 61.5


def test_a_light_sensor_whose_bus_is_held_stalls_nobody(tmp_path: Path) -> None:
    clock = ManualClock()
    (tmp_path / "in_illuminance_input").write_text("61.5\n")
    light = PolledLight(IioLightSensor(tmp_path), clock, interval_s=0.005)
    until(lambda: light.lux() == 61.5, "the reading")
    held = HeldFile(tmp_path / "in_illuminance_input")
    held.until_read()
    clock.now_us += 4_000_000
    assert light.lux() == 61.5
    clock.now_us += 1_000_001
    assert light.lux() is None, "an old reading is none"
    held.let_go()
    light.close()


def test_the_board_reads_its_light_and_the_firmware_on_threads_of_their_own(tmp_path: Path) -> None:
    """The unit's main loop asks five times a second, and nothing it asks may wait for a bus or for the firmware."""
    held = [HeldFile(tmp_path / name) for name in ("in_illuminance_input", "get_throttled")]
    options = {
        "light_sensor": str(tmp_path),
        "thermal_zone": str(tmp_path),
        "thermal_throttle_file": str(tmp_path / "get_throttled"),
    }
    clock = ManualClock()
    board = compose(options, None, clock, BoardIdentity("u1", "test", "0"))
    assert board.light is not None and board.thermal is not None
    assert board.light.lux() is None and board.thermal.throttled() is None
    clock.now_us += 5_000_001
    assert board.thermal.failure() is not None
    for file in held:
        file.let_go()
    board.close()
