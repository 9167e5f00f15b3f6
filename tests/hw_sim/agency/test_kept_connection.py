"""A connection may be kept for longer than its certificate is good: each request is judged anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority
from hw_sim.agency.certificates import LEAF_DAYS
from hw_sim.agency.store.http_handler import Timeouts
from hw_sim.agency.store.http_server import IngestServer, TlsDoor
from hw_sim.agency.store.routes import Exchange, Reply, json_reply, route
from hw_sim.agency.store.tls import AgencyTrust, TlsContexts, TlsFiles
from tests.hw_sim.agency.test_segments import HandClock
from tests.hw_sim.agency.unit_double import UnitDouble

DAY_S = 86400.0


@pytest.fixture
def clock() -> HandClock:
    """The store's: TLS itself looks at the machine's."""
    return HandClock(SystemClock().wall_us() / 1e6)


@pytest.fixture
def server(authority: Authority, clock: HandClock) -> Iterator[IngestServer]:
    trust = AgencyTrust(authority.ca_file, authority.crl_file)
    files = TlsFiles(authority.server_dir, authority.ca_file, authority.crl_file)
    door = TlsDoor(("127.0.0.1", 0), TlsContexts(files, trust), clock)

    def whoami(exchange: Exchange, _match: re.Match[str]) -> Reply:
        return json_reply(200, {"peer": exchange.peer})

    made = IngestServer(door, (route("GET", "/whoami", whoami),), clock, Timeouts())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def unit(authority: Authority, server: IngestServer, tmp_path: Path) -> UnitDouble:
    return UnitDouble.enrolled(authority, "zfy-kept", tmp_path / "unit", server.port)


@pytest.mark.parametrize("days", [LEAF_DAYS + 1.0, -2.0], ids=["expired", "not yet valid"])
def test_a_certificate_that_is_not_valid_any_more_is_refused_on_a_kept_connection(
    unit: UnitDouble, clock: HandClock, days: float
) -> None:
    link = unit.connect()
    try:
        assert unit.request("GET", "/whoami", connection=link).json == {"peer": unit.unit_id}
        began_at, kept = clock.wall, link.sock
        clock.wall += days * DAY_S
        refused = unit.request("GET", "/whoami", connection=link)
        assert (refused.status, refused.json["type"]) == (403, "urn:zfy:forbidden")
        assert "not valid now" in refused.json["detail"]
        clock.wall = began_at
        assert unit.request("GET", "/whoami", connection=link).status == 200
        assert link.sock is kept
    finally:
        link.close()


def test_a_certificate_revoked_meanwhile_is_refused_on_a_kept_connection(
    unit: UnitDouble, authority: Authority
) -> None:
    link = unit.connect()
    try:
        assert unit.request("GET", "/whoami", connection=link).status == 200
        kept = link.sock
        authority.revoke(unit.unit_id)
        refused = unit.request("GET", "/whoami", connection=link)
        assert (refused.status, link.sock is kept) == (403, True)
        assert "revoked" in refused.json["detail"]
    finally:
        link.close()
