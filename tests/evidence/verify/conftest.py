"""One agency and one age identity for all tests of the verifier: making keys and certificates takes time."""

from __future__ import annotations

import pytest

from recorder.evidence.age import Identity, generate_identity
from tests.evidence.verify.agency import TestAgency


@pytest.fixture(scope="session")
def agency() -> TestAgency:
    return TestAgency()


@pytest.fixture(scope="session")
def identity() -> Identity:
    return generate_identity()
