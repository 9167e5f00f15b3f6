"""The configuration layer of a simulated unit: what the scenario asks for, on the simulator's board."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from hw_sim.runner.layout import Layout


class AgencyAddresses(Protocol):
    """What a unit is told of its agency. Empty addresses: nothing is uploaded."""

    @property
    def recipients(self) -> tuple[str, ...]: ...

    @property
    def store_url(self) -> str: ...

    @property
    def mqtt_host(self) -> str: ...

    @property
    def mqtt_port(self) -> int: ...


def write_unit_config(layout: Layout, unit_id: str, overrides: dict[str, Any], agency: AgencyAddresses) -> Path:
    """Write ``config/unit.toml`` and return its path."""
    values: dict[str, Any] = {
        "device": {"id": unit_id, "model": "hw-sim body-worn"},
        "board": {"module": "hw_sim.board", "options": {"world": str(layout.world_socket)}},
        "storage": {"data_dir": str(layout.unit), "run_dir": str(layout.run)},
        "sealing": {"recipients": list(agency.recipients)},
        # The demo store keeps its objects in a plain folder and says so: its receipts promise no lock.
        "trust": {"dir": str(layout.config / "trust"), "require_lock": False},
        "uplink": {"store_url": agency.store_url, "tls_dir": str(layout.tls)},
        "mqtt": {"host": agency.mqtt_host, "port": agency.mqtt_port},
    }
    path = layout.config / "unit.toml"
    path.write_text(to_toml(_merge(values, overrides)), encoding="utf-8")
    return path


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def to_toml(values: dict[str, Any], prefix: str = "") -> str:
    """Tables of scalars, lists and tables: all a configuration layer holds. JSON scalars and lists are valid TOML."""
    scalars = [f"{key} = {_scalar(value)}" for key, value in values.items() if not isinstance(value, dict)]
    text = "\n".join([f"[{prefix}]" if prefix else "", *scalars]).strip() + "\n\n" if scalars else ""
    for key, value in values.items():
        if isinstance(value, dict):
            text += to_toml(value, f"{prefix}.{key}" if prefix else key)
    return text


def _scalar(value: object) -> str:
    """JSON, but for DEL: JSON lets it stand raw, TOML does not."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
