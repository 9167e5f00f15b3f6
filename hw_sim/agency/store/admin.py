"""What the agency's admins may ask of the store about their units (docs/wire.md, ``GET /fleet/...``). Reads, nothing else.

The store hears every unit over MQTT; an admin asks here instead of the broker, because reading many retained topics at once
is not something every broker does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit

from hw_sim.agency.authority import DESK_NAME, is_unit_id
from hw_sim.agency.store.problem import BAD_REQUEST, NOT_FOUND, Problem

PAGE: Final = 500
"""Units told at once at most: each is about half a kilobyte."""
_UNIT = re.compile(r"^/fleet/units/([^/]+)$")
_NUMBER = re.compile(r"^[1-9][0-9]{0,5}$")


class Latest(Protocol):
    """The part of ``Register`` used here."""

    def fleet_units(self, after: str, limit: int) -> list[str]: ...

    def latest(self, unit_id: str) -> dict[str, tuple[str, float]]: ...


class FleetDesk:
    def __init__(self, register: Latest) -> None:
        self._register = register

    def answer(self, peer: str, target: str) -> dict[str, Any] | None:
        """The answer to ``GET target`` of who holds certificate ``peer``; None: it is none of ours. To everybody but the
        admins it does not exist: raises Problem."""
        parts = urlsplit(target)
        if not parts.path.startswith("/fleet/"):
            return None
        if peer != DESK_NAME:
            raise Problem(NOT_FOUND, parts.path)
        if parts.path == "/fleet/units":
            return self._units(parse_qs(parts.query))
        match = _UNIT.match(parts.path)
        if match is None or not is_unit_id(match[1]):
            raise Problem(NOT_FOUND, parts.path)
        return self._unit(match[1])

    def _units(self, query: Mapping[str, list[str]]) -> dict[str, Any]:
        limit = query.get("limit", [str(PAGE)])[0]
        if not _NUMBER.match(limit):
            raise Problem(BAD_REQUEST, f"limit={limit!r}: 不是数目 not a number of units")
        count = min(int(limit), PAGE)
        ids = self._register.fleet_units(query.get("after", [""])[0], count)
        units = [summary(unit_id, self._register.latest(unit_id)) for unit_id in ids]
        return {"units": units, "next": ids[-1] if len(ids) == count else None}

    def _unit(self, unit_id: str) -> dict[str, Any]:
        said = self._register.latest(unit_id)
        if not said:
            raise Problem(NOT_FOUND, unit_id)
        whole = {kind: {"received_at": at, "message": json.loads(text)} for kind, (text, at) in said.items()}
        return {**summary(unit_id, said), **whole}


def summary(unit_id: str, said: Mapping[str, tuple[str, float]]) -> dict[str, Any]:
    """What a table shows of a unit. ``seen_at``: when anything of it last came, seconds since 1970 by the store's clock;
    ``reported_at``: the same of up/reported."""
    status, health, reported = ({}, {}, {}) if not said else (_of(said, kind) for kind in _KINDS)
    faults = health.get("health", {}).get("faults", {})
    return {
        "unit_id": unit_id,
        "seen_at": max((at for _, at in said.values()), default=None),
        "online": status.get("online") is True,
        "unit": health.get("unit"),
        "state": health.get("state"),
        "recording": status.get("recording"),
        "version": status.get("version"),
        "free_mb": status.get("free_mb"),
        "backlog": status.get("backlog"),
        "faults": sorted(code for code, present in faults.items() if present),
        "reported": {name: reported[name] for name in _REPORTED if name in reported} if reported else None,
        "reported_at": said["reported"][1] if "reported" in said else None,
    }


_KINDS: Final = ("status", "health", "reported")
_REPORTED: Final = ("version", "digest", "state", "probation", "layer", "waiting", "effective", "groups", "rejected")


def _of(said: Mapping[str, tuple[str, float]], kind: str) -> dict[str, Any]:
    value = json.loads(said[kind][0]) if kind in said else {}
    return value if isinstance(value, dict) else {}
