"""Ceph once for the session. ``./dev test --ceph``; every night; in CI where twelve minutes are left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hw_sim.agency.objects.ports import ObjectStore
from tests.ceph.engine import CephEngine
from tests.hw_sim.agency.conftest import authority
from tests.support import require_program, require_whole, tier

__all__ = ["authority"]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CephEngine]:
    if tier() == "quick":
        require_whole("ceph", "Ceph 网关 the object store on Ceph")
    require_program("mmdebstrap")
    made = CephEngine(tmp_path_factory.mktemp("ceph"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", made.credentials.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", made.credentials.secret_key)
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="session")
def s3_engine(engine: CephEngine) -> CephEngine:
    return engine


@pytest.fixture
def objects(engine: CephEngine, tmp_path: Path) -> ObjectStore:
    engine.start()
    return engine.store(tmp_path)
