"""Every process of a simulated unit lives in the same boot: the one the world is in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import DeviceError
from hw_sim import board as hw_board
from hw_sim.machine_clock import MachineClock
from hw_sim.world import World
from recorder.config.load import load_config
from recorder.health.status_file import last_word
from recorder.loading import machine_clock
from recorder.uplink.durable_mark import durable_seq
from recorder.uplink.settings import settings_from_json, settings_of
from recorder.uplink.unit_health import health_message

MODULE = "hw_sim.machine_clock"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World({"seed": 1}, tmp_path / "w") as world:
        yield world


def made(name: str, options: dict[str, str]) -> MachineClock:
    clock = machine_clock(name, options)
    assert isinstance(clock, MachineClock)
    return clock


def settings_for(tmp_path: Path, module: str) -> tuple[str, dict[str, str]]:
    """As they reach the uplink: through the configuration and JSON."""
    config = tmp_path / "unit.toml"
    config.write_text(f'[board]\nmodule = "{module}"\noptions = {{ world = "{tmp_path}/w" }}\n', encoding="utf-8")
    settings = settings_from_json(settings_of(load_config([config], {}).config).to_json())
    return settings.clock_module, settings.clock_options


@pytest.mark.parametrize("module", ["hw_sim.board", "hw_sim.board_real"])
def test_the_uplink_of_a_simulated_unit_gets_the_worlds_clock(world: World, tmp_path: Path, module: str) -> None:
    name, options = settings_for(tmp_path, module)
    assert name == MODULE
    unit = hw_board.unit_board(options)
    try:
        clock = made(name, options)
        assert clock.boot_id() == unit.clock.boot_id() == world.clock.boot_id() != SystemClock().boot_id()
        before, at, after = unit.clock.boottime_us(), clock.boottime_us(), unit.clock.boottime_us()
        assert before <= at <= after
        clock.close()
    finally:
        for close in unit.on_close:
            close()


@pytest.mark.parametrize("module", ["firmware_bridge.raspberry_pi.board", "no.such.board", "board"])
def test_every_other_unit_has_the_systems(tmp_path: Path, module: str) -> None:
    assert settings_for(tmp_path, module) == ("", {})
    assert machine_clock("", {}).boot_id() == SystemClock().boot_id()


def test_what_the_unit_says_of_itself_is_of_this_boot_until_the_power_is_cut(world: World, tmp_path: Path) -> None:
    """Health is fresh and the durable mark holds; after a cut both are of another boot, and nobody goes by them."""
    options = {"world": str(tmp_path / "w")}
    file = tmp_path / "status.json"
    with closing(made(MODULE, options)) as clock:
        said = {"boot_id": clock.boot_id(), "at_us": clock.boottime_us(), "durable_seq": 7, "state": "standby"}
        file.write_text(json.dumps(said), encoding="utf-8")
        assert health_message(file, clock.boot_id(), clock.boottime_us(), [])["unit"] == "fresh"
        assert durable_seq(file, clock.boot_id()) == 7
        world.new_boot()
        with closing(made(MODULE, options)) as again:
            assert last_word(file, again.boot_id(), again.boottime_us()).standing == "other-boot"
            assert durable_seq(file, again.boot_id()) is None
        assert clock.boot_id() == said["boot_id"], "a process lives in one boot"


def test_without_a_world_there_is_no_clock(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="world"):
        machine_clock(MODULE, {"world": str(tmp_path / "none")})
    with pytest.raises(DeviceError, match="world"):
        machine_clock(MODULE, {})
