"""What the uplink needs of the configuration, as plain values.

The uplink process runs without pydantic (docs of :mod:`recorder.uplink.process` say why), so the settings cross the exec
as JSON and are dataclasses on the other side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recorder.channel.places import control_socket
from recorder.health.status_file import UPLINK_STATUS_FILE
from recorder.loading import clock_module
from recorder.uplink.links import LinkNames, LinkPolicy, MeteredRule

if TYPE_CHECKING:
    from recorder.config.models import RecorderConfig


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Times in seconds where the name ends in ``_s``. ``max_kb_s``: 1000 bytes a second, 0 for no cap. ``store_url`` empty:
    nothing is uploaded; ``mqtt_host`` empty: no MQTT. ``credentials_dir``: where the service manager put secrets, empty
    without one."""

    unit_id: str
    data_dir: str
    run_dir: str
    trust_dir: str
    uplink_enabled: bool
    store_url: str
    tls_dir: str
    credentials_dir: str
    journal_interval_s: float
    standby_interval_s: float
    connect_timeout_s: float
    io_timeout_s: float
    idle_timeout_s: float
    backoff_base_s: float
    backoff_max_s: float
    dock_interfaces: tuple[str, ...]
    metered_interfaces: tuple[str, ...]
    metered: MeteredRule
    metered_yield_h: float
    max_kb_s: int
    dscp: int
    grant_patience_s: float
    pressing_h: float
    mqtt_enabled: bool
    mqtt_host: str
    mqtt_port: int
    mqtt_keepalive_s: int
    mqtt_status_interval_s: float
    config_sha256: str
    """Digest of the sections these come from (``config.uplink_sections``)."""
    clock_module: str = ""
    """``loading.clock_module`` of the unit's board; ``clock_options``: what that one gets. Empty: the system's clock."""
    clock_options: dict[str, str] = field(default_factory=dict)

    @property
    def key_file(self) -> Path | None:
        """The private key for mutual TLS where systemd passed it on (``LoadCredential=``), None: it is in ``tls_dir``."""
        return Path(self.credentials_dir) / "client-key.pem" if self.credentials_dir else None

    @property
    def link_names(self) -> LinkNames:
        return LinkNames(self.dock_interfaces, self.metered_interfaces)

    @property
    def link_policy(self) -> LinkPolicy:
        return LinkPolicy(self.metered, self.metered_yield_h * 3600.0)

    @property
    def journal_dir(self) -> Path:
        return Path(self.data_dir) / "journal"

    @property
    def segments_dir(self) -> Path:
        return Path(self.data_dir) / "segments"

    @property
    def statements_dir(self) -> Path:
        return Path(self.data_dir) / "statements"

    @property
    def receipts_dir(self) -> Path:
        return Path(self.data_dir) / "receipts"

    @property
    def outbox_file(self) -> Path:
        return Path(self.data_dir) / "uplink" / "outbox.db"

    @property
    def status_file(self) -> Path:
        """In a folder of its own: the uplink may write nowhere else in ``run_dir``."""
        return Path(self.run_dir) / UPLINK_STATUS_FILE

    @property
    def control_socket(self) -> Path:
        return control_socket(Path(self.run_dir))

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def settings_of(config: RecorderConfig, environment: Mapping[str, str] | None = None) -> UplinkSettings:
    """``environment``: of the process, for what the service manager tells."""
    from recorder.config.uplink_sections import (
        uplink_sha256,
    )  # by whoever has read the configuration, not by the uplink

    uplink, mqtt = config.uplink, config.mqtt
    clock = clock_module(config.board.module)
    return UplinkSettings(
        unit_id=config.device.id,
        data_dir=config.storage.data_dir,
        run_dir=config.storage.run_dir,
        trust_dir=config.trust.dir,
        uplink_enabled=uplink.enabled,
        store_url=uplink.store_url,
        tls_dir=uplink.tls_dir,
        credentials_dir=(environment or {}).get("CREDENTIALS_DIRECTORY", ""),
        journal_interval_s=uplink.journal_interval_s,
        standby_interval_s=uplink.standby_interval_s,
        connect_timeout_s=uplink.connect_timeout_s,
        io_timeout_s=uplink.io_timeout_s,
        idle_timeout_s=uplink.idle_timeout_s,
        backoff_base_s=uplink.backoff_base_s,
        backoff_max_s=uplink.backoff_max_s,
        dock_interfaces=uplink.dock_interfaces,
        metered_interfaces=uplink.metered_interfaces,
        metered=uplink.metered,
        metered_yield_h=uplink.metered_yield_h,
        max_kb_s=uplink.max_kb_s,
        dscp=uplink.dscp,
        grant_patience_s=uplink.grant_patience_s,
        pressing_h=uplink.pressing_h,
        mqtt_enabled=mqtt.enabled,
        mqtt_host=mqtt.host,
        mqtt_port=mqtt.port,
        mqtt_keepalive_s=mqtt.keepalive_s,
        mqtt_status_interval_s=mqtt.status_interval_s,
        config_sha256=uplink_sha256(config),
        clock_module=clock,
        clock_options=config.board.options if clock else {},
    )


def settings_from_json(text: str) -> UplinkSettings:
    """Inverse of ``to_json``. Raises ValueError naming a missing or unknown member."""
    values: Any = json.loads(text)
    names = {each.name for each in fields(UplinkSettings)}
    if not isinstance(values, dict) or set(values) != names:
        wrong = sorted(names ^ set(values)) if isinstance(values, dict) else ["not an object"]
        raise ValueError(f"uplink settings: 成员不符 members do not match: {', '.join(wrong)}")
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return UplinkSettings(**plain)
