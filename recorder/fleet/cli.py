"""``recorder fleet``: what an admin asks of many units at once. Each command is loaded when it is named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import click

from recorder.cli import LazyGroup, fail
from recorder.fleet.settings import DEFAULT_FILE, SETTINGS_VARIABLE, FleetSettings, SettingsError, load_settings


class FleetGroup(LazyGroup):
    lazy: ClassVar[dict[str, str]] = {
        "capacity": "recorder.fleet.capacity_command:capacity_command",
        "command": "recorder.fleet.command:command_command",
        "config": "recorder.fleet.config_commands:config_group",
        "show": "recorder.fleet.units_commands:show_command",
        "units": "recorder.fleet.units_commands:units_command",
    }


settings_option = click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"管理端设置 the admin's settings (default: ${SETTINGS_VARIABLE}, {DEFAULT_FILE})",
)


def settings_of(settings_file: Path | None) -> FleetSettings:
    """The admin's settings; exit 2 when they cannot be used."""
    try:
        return load_settings(settings_file or Path(os.environ.get(SETTINGS_VARIABLE) or DEFAULT_FILE))
    except SettingsError as error:
        fail(error.zh, error.en)


@click.group("fleet", cls=FleetGroup)
def fleet_group() -> None:
    """管理多台设备 · many units at once, for the agency's admins."""
