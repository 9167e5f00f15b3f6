from __future__ import annotations

from collections.abc import Iterator

import pytest

from hw_sim.agency.agency import Agency
from hw_sim.agency.authority import Authority
from tests.integration.rig import PaperAgency, paper_agency
from tests.support import require_program


@pytest.fixture(scope="session")
def agency(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """One running agency for all tests: every test enrols a unit of its own with it."""
    require_program("mosquitto")
    folder = tmp_path_factory.mktemp("agency")
    with Agency(folder / "agency", folder / "store") as made:
        yield made


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[PaperAgency, Authority]:
    """Keys to seal to, and nobody to send anything to."""
    return paper_agency(tmp_path_factory.mktemp("authority"))
