"""What the agency's store knows of its units (docs/wire.md, ``GET /fleet/...``): the admin's eyes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote

from recorder.fleet.rollout import View
from recorder.fleet.settings import FleetError, FleetSettings
from recorder.fleet.versions import as_table, whole
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.faults import UplinkFault
from recorder.uplink.http import Answer, StoreClient

if TYPE_CHECKING:
    from firmware_bridge.ports import Clock

CONNECT_S: Final = 10.0
IO_S: Final = 20.0


class Client(Protocol):
    """The part of ``StoreClient`` used here."""

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer: ...


def real_client(settings: FleetSettings, clock: Clock) -> StoreClient:
    """Mutual TLS with the admin's certificate. Raises FleetError where no store is named."""
    url = settings.file.store.url
    if not url:
        raise FleetError(
            f"{settings.source}: store.url: 未填写存储地址", f"{settings.source}: store.url: no store is named"
        )
    return StoreClient(url, settings.tls_dir, ConnectionOptions(CONNECT_S, IO_S), clock)


class UnknownUnit(FleetError):
    """The store has never heard of it."""


class StoreReader:
    """Every method raises FleetError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def units(self) -> Iterator[dict[str, Any]]:
        """The summary of every unit the store ever heard of, in the order of their ids."""
        after: str | None = ""
        while after is not None:
            page = self._get(f"/fleet/units?after={quote(after)}")
            units = page.get("units")
            if not isinstance(units, list):
                raise FleetError("存储的应答无法解析", "the store's answer cannot be read")
            yield from units
            told = page.get("next")
            after = told if isinstance(told, str) else None

    def unit(self, unit_id: str) -> dict[str, Any]:
        """All that was last heard of one unit. Raises UnknownUnit."""
        found = self._asked(f"/fleet/units/{quote(unit_id, safe='')}")
        if found is None:
            raise UnknownUnit(
                f"存储从未收到设备 {unit_id} 的消息，请核对设备编号",
                f"the store has never heard of a unit {unit_id}: is that its id?",
            )
        return found

    def _get(self, path: str) -> dict[str, Any]:
        found = self._asked(path)
        if found is None:
            raise FleetError(
                "该服务器不提供设备一览（404）：请核对 fleet.toml 的 [store] url",
                "that server lists no units (404): is [store] url in fleet.toml right?",
            )
        return found

    def _asked(self, path: str) -> dict[str, Any] | None:
        """None for 404."""
        try:
            answer = self._client.request("GET", path, {})
        except UplinkFault as fault:
            why = f"{fault.detail}" if fault.detail else ""
            raise FleetError(
                f"无法询问存储：{fault.kind.zh} {why}", f"the store cannot be asked: {fault.kind.en} {why}"
            ) from fault
        try:
            value = json.loads(answer.body)
        except ValueError:
            value = None
        if answer.status == 404:
            return None
        if answer.status == 403:
            raise FleetError(
                "存储拒绝（403）：本证书不是管理员证书", "the store refuses (403): this is no admin's certificate"
            )
        if answer.status != 200 or not isinstance(value, dict):
            raise FleetError(f"存储应答 {answer.status}", f"the store answers {answer.status}")
        return value


def view(summary: Mapping[str, Any]) -> View:
    """What a roll-out needs of a unit's summary. ``seen_at`` is of anything it said while it was online."""
    reported = as_table(summary.get("reported"))
    rejected = as_table(reported.get("rejected"))
    return View(
        seen_at=summary.get("seen_at") if summary.get("online") else summary.get("reported_at"),
        version=whole(reported.get("version")),
        layer=whole(as_table(reported.get("layer")).get("version")),
        digest=reported.get("digest"),
        state=reported.get("state", "none"),
        probation=bool(reported.get("probation")),
        rejected=whole(rejected.get("version")) or None,
        faults=tuple(summary.get("faults") or ()),
    )
