"""The uplink's settings of every test rig: time-outs of a second and pauses of a fraction. The faults are the same, the
waiting shorter."""

from __future__ import annotations

from typing import Any, Final

from recorder.uplink.settings import UplinkSettings

_QUICK: Final[dict[str, Any]] = {
    "unit_id": "",
    "data_dir": "",
    "run_dir": "",
    "trust_dir": "",
    "uplink_enabled": True,
    "store_url": "",
    "tls_dir": "",
    "credentials_dir": "",
    "journal_interval_s": 0.2,
    "standby_interval_s": 0.2,
    "connect_timeout_s": 2.0,
    "io_timeout_s": 1.0,
    "idle_timeout_s": 60.0,
    "backoff_base_s": 0.05,
    "backoff_max_s": 1.0,
    "dock_interfaces": (),
    "metered_interfaces": (),
    "metered": "all",
    "metered_yield_h": 6.0,
    "max_kb_s": 0,
    "dscp": 8,
    "grant_patience_s": 2.0,
    "pressing_h": 2.0,
    "mqtt_enabled": False,
    "mqtt_host": "",
    "mqtt_port": 8883,
    "mqtt_keepalive_s": 30,
    "mqtt_status_interval_s": 0.5,
    "config_sha256": "as configured",
}


def quick_settings(**own: Any) -> UplinkSettings:
    """No store, no broker and no folder but those given. Raises TypeError for a name that is none of the settings'."""
    return UplinkSettings(**{**_QUICK, **own})
