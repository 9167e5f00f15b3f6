"""The verifier, which shares no state with the unit, raises no alarm about what power cuts and storage errors leave."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hw_sim.agency.certificates import file_signer
from recorder.evidence.journal import JournalError
from recorder.evidence.records import Event
from recorder.evidence.trust import load_trust
from recorder.evidence.verify.report import VaultReport
from recorder.evidence.verify.vaults import verify_vaults
from tests.evidence.authority import Ca, name
from tests.evidence.kit import BOOT, ToldClock
from tests.evidence.simulated_disk import PowerCut, SimulatedDisk
from tests.evidence.unit_model import DATA, MiniUnit
from tests.support import tier

EXAMPLES = {"quick": 25, "ci": 200, "nightly": 2000}[tier()]
CA = Ca("agency")
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNER = file_signer(KEY, (CA.issue(name(BOOT.unit_id), KEY.public_key()),))
IN_2026 = 1_772_000_000_000_000
EXPECTED = {"shift-open", "time-claimed", "unanchored", "segment-recovered", "segment-empty", "journal-torn-continued"}
"""What such a vault is: not anchored, not ended. Nothing altered, missing or broken."""


def verdict(disk: SimulatedDisk, root: Path) -> VaultReport:
    copy_out(disk, root / "unit")
    (root / "trust").mkdir(parents=True)
    (root / "trust" / "agency-ca.pem").write_bytes(CA.pem)
    (vault,) = verify_vaults(root / "unit", load_trust(root / "trust"), []).vaults
    return vault


def copy_out(disk: SimulatedDisk, folder: Path) -> None:
    for path, node in disk.nodes.items():
        target = folder / path.relative_to(DATA)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(bytes(node.content))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    sealed=st.booleans(),
    cut_at=st.integers(8, 110),
    failures=st.frozensets(st.integers(8, 60), max_size=2),
)
def test_no_false_alarm(
    seed: int, sealed: bool, cut_at: int, failures: frozenset[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = SimulatedDisk(seed)
    disk.dirs.add(DATA)
    unit = MiniUnit(disk, ToldClock(offset_us=IN_2026), sealed, seed, key=SIGNER)
    disk.arm(cut_at=cut_at, fail_at=failures)
    try:
        unit.start()
        unit.shift()
        for _ in range(3):
            unit.session(segments=2, entries=2, heads_each=random.Random(seed).randint(1, 3))
    except (PowerCut, JournalError, OSError):
        disk.power_off()
    assert unit.start().findings == ()
    vault = verdict(disk, tmp_path_factory.mktemp("vault"))
    assert {finding.code for finding in vault.findings} <= EXPECTED
    assert vault.axes["integrity"] in ("intact", "incomplete")
    assert vault.axes["key"] == "trusted"


@pytest.mark.parametrize("cut_at", range(3, 9))
@pytest.mark.parametrize("first", range(0, EXAMPLES, 10))
def test_a_power_cut_while_lines_are_written_again_is_no_fork_and_no_replay(
    first: int, cut_at: int, tmp_path: Path
) -> None:
    """The sync of several lines fails (1) and so does the cut of the old file (2): both files may keep any part of them.
    Judged as the card comes out of the unit, and after the next start."""
    for seed in range(first, first + 10):
        _cut_while_written_again(seed, cut_at, tmp_path / str(seed))


def _cut_while_written_again(seed: int, cut_at: int, folder: Path) -> None:
    disk = SimulatedDisk(seed)
    disk.dirs.add(DATA)
    unit = MiniUnit(disk, ToldClock(offset_us=IN_2026), False, seed, key=SIGNER)
    unit.start()
    for _ in range(3):
        unit.journal.append(Event(event="one-of-three", at_us=1, detail={}), sync=False)
    disk.arm(cut_at=cut_at, fail_at=frozenset({1, 2}))
    try:
        for _ in range(9):
            try:
                unit.journal.sync()
                unit.journal.append(Event(event="later", at_us=2, detail={}))
            except JournalError:
                continue
    except PowerCut:
        pass
    disk.power_off()
    pulled = verdict(disk, folder / "pulled")
    assert {finding.code for finding in pulled.findings} <= EXPECTED | {"journal-torn", "journal-repeat-unfinished"}
    assert pulled.axes["integrity"] in ("intact", "incomplete")
    assert unit.start().findings == ()
    started = verdict(disk, folder / "started")
    assert {finding.code for finding in started.findings} <= EXPECTED
    assert started.axes["integrity"] in ("intact", "incomplete")
