"""One authority and one running store for the tests of a module; each test brings units of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge.clock import SystemClock
from hw_sim.agency.agency import StoreProcess
from hw_sim.agency.authority import Authority
from tests.hw_sim.agency.unit_double import UnitDouble

_numbers = itertools.count(1)

NewUnit = Callable[[], UnitDouble]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), SystemClock())


@pytest.fixture(scope="module")
def store(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    folder = tmp_path_factory.mktemp("store")
    process = StoreProcess(
        folder, folder / "root", authority, SystemClock(), ("--io-timeout", "5", "--reserve-mb", "16")
    )
    process.start()
    yield process
    status = process.stop()
    log = process.log_file.read_text(encoding="utf-8")
    assert status == 0, log[-3000:]
    assert "Traceback" not in log, log


@pytest.fixture
def new_unit(authority: Authority, store: StoreProcess, tmp_path: Path) -> NewUnit:
    def make() -> UnitDouble:
        unit_id = f"zfy-{next(_numbers):06d}"
        return UnitDouble.enrolled(authority, unit_id, tmp_path / unit_id, store.port)

    return make


@pytest.fixture
def unit(new_unit: NewUnit) -> UnitDouble:
    return new_unit()
