from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.verify import Report
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import verify_folder
from tests.evidence.verify.test_sound import crash, stall
from tests.evidence.verify.vault_builder import VaultBuilder, sound_vault


@pytest.fixture(scope="session")
def agency() -> TestAgency:
    return TestAgency()


@pytest.fixture(scope="session")
def sound(agency: TestAgency, tmp_path_factory: pytest.TempPathFactory) -> Report:
    return verify_folder(agency, sound_vault(agency).write(tmp_path_factory.mktemp("sound") / "unit"))


@pytest.fixture(scope="session")
def troubled(agency: TestAgency, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Gaps, a reboot, a missing file, and a hostile name in a signed record."""
    b = VaultBuilder(agency)
    b.boot()
    b.shift_start()
    b.standby(5)
    b.sign_in(name="<script>alert(1)</script>")
    stall(b)
    b.standby(4)
    crash(b)
    b.standby(3)
    b.shift_end()
    b.receipt()
    folder: Path = b.write(tmp_path_factory.mktemp("troubled") / "unit")
    next((folder / "segments").rglob("*.mp4")).unlink()
    (folder / "segments" / "<b>name.mp4").write_bytes(b"x")
    return verify_folder(agency, folder)
