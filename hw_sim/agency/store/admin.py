"""What the agency's admins may ask of the store about their units (docs/wire.md, ``GET /fleet/...``). Reads, nothing else.

The store hears every unit over MQTT; an admin asks here instead of the broker, because reading many retained topics at once
is not something every broker does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from hw_sim.agency.names import DESK_NAME, is_unit_id
from hw_sim.agency.store.problem import BAD_REQUEST, NOT_FOUND, Problem
from hw_sim.agency.store.routes import Exchange, Reply, Route, json_reply, route

PAGE: Final = 500
"""Units told at once at most: each is about half a kilobyte."""
_NUMBER = re.compile(r"^[1-9][0-9]{0,5}$")


class Latest(Protocol):
    """The part of ``Register`` used here."""

    def fleet_units(self, after: str, limit: int) -> list[str]: ...

    def latest(self, unit_id: str) -> dict[str, tuple[str, float]]: ...


class FleetDesk:
    """For certificates of the admins only: everybody else is refused (403)."""

    def __init__(self, register: Latest) -> None:
        self._register = register

    def routes(self) -> tuple[Route, ...]:
        return (
            route("GET", "/fleet/units", self._get_units, _is_admin),
            route("GET", "/fleet/units/([^/]+)", self._get_unit, _is_admin),
        )

    def _get_units(self, exchange: Exchange, _match: re.Match[str]) -> Reply:
        return json_reply(200, self._units(exchange.query("limit") or str(PAGE), exchange.query("after")))

    def _get_unit(self, _exchange: Exchange, match: re.Match[str]) -> Reply:
        if not is_unit_id(match[1]):
            raise Problem(NOT_FOUND, match[0])
        return json_reply(200, self._unit(match[1]))

    def _units(self, limit: str, after: str) -> dict[str, Any]:
        if not _NUMBER.match(limit):
            raise Problem(BAD_REQUEST, f"limit={limit!r}: 不是数目 not a number of units")
        count = min(int(limit), PAGE)
        ids = self._register.fleet_units(after, count)
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
    # Whatever a unit sends: its own row may be poor, the others' are whole.
    faults = _members(_members(health.get("health")).get("faults"))
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


def _is_admin(peer: str) -> bool:
    return peer == DESK_NAME


_KINDS: Final = ("status", "health", "reported")
_REPORTED: Final = ("version", "digest", "state", "probation", "layer", "waiting", "effective", "groups", "rejected")


def _of(said: Mapping[str, tuple[str, float]], kind: str) -> dict[str, Any]:
    return _members(json.loads(said[kind][0])) if kind in said else {}


def _members(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
