"""Engines, each started once for the session and only when a test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hw_sim.agency.objects.ports import ObjectStore
from hw_sim.agency.objects.seaweed import program
from tests.hw_sim.agency.objects.engines import ENGINES, LOCKING, Engine, SeaweedEngine
from tests.support import require_program


@pytest.fixture(scope="session")
def engine_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Engine]:
    def engine(name: str) -> Engine:
        if name == "seaweedfs":
            made: Engine = request.getfixturevalue("seaweed")
            return made
        return ENGINES[name](tmp_path_factory.mktemp(name))

    return engine


@pytest.fixture(scope="session", params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest, engine_of: Callable[[str], Engine]) -> Engine:
    return engine_of(request.param)


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedEngine]:
    """SeaweedFS configured as docs/object-stores.md says."""
    if program() is None:
        require_program("weed")
    made = SeaweedEngine(tmp_path_factory.mktemp("seaweedfs"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.weed.credentials.environment().items():
            patch.setenv(name, value)
        made.start()
        yield made
        made.stop()


@pytest.fixture(scope="session", params=LOCKING)
def s3_engine(request: pytest.FixtureRequest, engine_of: Callable[[str], Engine]) -> Engine:
    """Those that promise a lock nobody can lift."""
    return engine_of(request.param)


@pytest.fixture
def objects(engine: Engine, tmp_path: Path) -> ObjectStore:
    """An empty store."""
    engine.start()
    return engine.store(tmp_path)
