"""What the admin's commands begin with: settings, the roll-outs on the disk, the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recorder.cli import fail
from recorder.fleet.cli import settings_of
from recorder.fleet.rollout_files import RolloutFiles
from recorder.fleet.settings import FleetError, FleetSettings
from recorder.fleet.store import StoreReader, real_client

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock

state_option = click.option(
    "--state",
    "state_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="下发任务所在文件夹 folder of the roll-outs (default: $XDG_STATE_HOME/recorder/rollouts)",
)


@dataclass(frozen=True, slots=True)
class Desk:
    settings: FleetSettings
    files: RolloutFiles
    store: StoreReader
    clock: Clock


@contextmanager
def open_desk(settings_file: Path | None, state_folder: Path | None = None) -> Iterator[Desk]:
    """The line to the store is closed however the command ends; a FleetError ends it with 2 and its message."""
    from recorder.loading import system_clock

    settings, clock = settings_of(settings_file), system_clock()
    try:
        with closing(real_client(settings, clock)) as client:
            yield Desk(settings, rollout_files(state_folder), StoreReader(client), clock)
    except FleetError as error:
        fail(error.zh, error.en)


def rollout_files(folder: Path | None) -> RolloutFiles:
    from recorder.evidence.files import OsFiles
    from recorder.fleet.rollout_files import default_folder

    return RolloutFiles(folder or default_folder(), OsFiles(file_mode=0o600, dir_mode=0o700))
