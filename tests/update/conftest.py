from __future__ import annotations

from collections.abc import Iterator

import pytest

from firmware_bridge.clock import SystemClock
from recorder.update.client import DdiClient
from recorder.uplink.connection import ConnectionOptions
from tests.update.ddi_server import TOKEN, DdiServer
from tests.uplink.pki import UNIT, Pki, make_pki


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("update-pki"))


@pytest.fixture
def server(pki: Pki) -> Iterator[DdiServer]:
    with DdiServer(pki) as running:
        yield running


@pytest.fixture
def client(pki: Pki, server: DdiServer) -> DdiClient:
    options = ConnectionOptions(connect_s=10, io_s=10)
    return DdiClient(server.url, "DEFAULT", UNIT, f"TargetToken {TOKEN}", pki.ca, options, SystemClock())
