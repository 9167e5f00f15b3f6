"""What an update's two processes need of the configuration, as plain values: they run without pydantic, as the uplink."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from recorder.update.gates import GateLimits
from recorder.update.probation import TrialLimits

if TYPE_CHECKING:
    from recorder.config.models import RecorderConfig


class UpdateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds where the name ends in ``_s``, hours in ``_h``. ``board``: the stem of ``[board] file``. ``window``: minutes
    of the day. ``root_dir``: the installer's folder."""

    unit_id: str
    model: str
    board: str
    data_dir: str
    run_dir: str
    trust_dir: str
    enabled: bool
    url: str
    tenant: str
    token_file: str
    ca_file: str
    root_dir: str
    poll_s: float
    max_kb_s: int
    dscp: int
    slack_h: float
    backlog: int
    battery_percent: float
    free_mb: int
    window: tuple[int, int]
    well_s: float
    within_s: float
    kinds: tuple[str, ...]
    connect_timeout_s: float
    io_timeout_s: float

    @property
    def gate_limits(self) -> GateLimits:
        return GateLimits(self.slack_h, self.backlog, self.battery_percent, self.free_mb, self.window)

    @property
    def trial_limits(self) -> TrialLimits:
        return TrialLimits(self.well_s, self.within_s)

    @property
    def carrier_dir(self) -> Path:
        return Path(self.data_dir) / "update"

    def to_json(self) -> bytes:
        return msgspec.json.encode(self)


def settings_of(config: RecorderConfig) -> UpdateSettings:
    update, uplink = config.update, config.uplink
    return UpdateSettings(
        unit_id=config.device.id,
        model=config.device.model,
        board=Path(config.board.file).stem,
        data_dir=config.storage.data_dir,
        run_dir=config.storage.run_dir,
        trust_dir=config.trust.dir,
        enabled=update.enabled,
        url=update.url,
        tenant=update.tenant,
        token_file=update.token_file,
        ca_file=update.ca_file,
        root_dir=update.root_dir,
        poll_s=update.poll_s,
        max_kb_s=update.max_kb_s,
        dscp=uplink.dscp,
        slack_h=update.slack_h,
        backlog=update.backlog,
        battery_percent=update.battery_percent,
        free_mb=update.free_mb,
        window=(minutes(update.window_from), minutes(update.window_to)),
        well_s=update.well_s,
        within_s=update.within_s,
        kinds=tuple(update.kinds),
        connect_timeout_s=uplink.connect_timeout_s,
        io_timeout_s=uplink.io_timeout_s,
    )


def minutes(text: str) -> int:
    """Of the day, of ``HH:MM``."""
    hours, _, rest = text.partition(":")
    return int(hours) * 60 + int(rest)


def settings_from_json(data: bytes) -> UpdateSettings:
    """Raises ValueError naming the member."""
    return msgspec.json.decode(data, type=UpdateSettings)
