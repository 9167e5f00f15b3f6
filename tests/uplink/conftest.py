from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from recorder.uplink.connection import ConnectionOptions
from recorder.uplink.http import StoreClient
from recorder.uplink.settings import UplinkSettings
from tests.uplink.fake_store import FakeStore
from tests.uplink.pki import UNIT, Pki, make_pki
from tests.uplink.settings_builder import quick_settings
from tests.uplink.unit_files import UnitFiles

QUICK = ConnectionOptions(connect_s=2.0, io_s=1.0)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def store(pki: Pki) -> Iterator[FakeStore]:
    with FakeStore(pki) as running:
        yield running


@pytest.fixture
def unit(tmp_path: Path) -> UnitFiles:
    files = UnitFiles(tmp_path / "data")
    files.record("boot", unit_id=UNIT)
    return files


@pytest.fixture
def clock() -> SystemClock:
    return SystemClock()


@pytest.fixture
def client(store: FakeStore, pki: Pki, clock: SystemClock) -> Iterator[StoreClient]:
    made = StoreClient(store.url, pki.tls, QUICK, clock)
    yield made
    made.close()


@pytest.fixture
def settings(tmp_path: Path, pki: Pki) -> UplinkSettings:
    """Quick time-outs, no store and no broker yet."""
    (tmp_path / "run").mkdir()
    return quick_settings(
        unit_id=UNIT,
        data_dir=str(tmp_path / "data"),
        run_dir=str(tmp_path / "run"),
        trust_dir=str(pki.trust),
        tls_dir=str(pki.tls),
    )
