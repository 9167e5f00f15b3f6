"""Writing a builder's vault, verifying it, and looking at what came out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recorder.evidence.age import Identity
from recorder.evidence.verify import Report, VaultReport, load_trust, verify_vaults
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import VaultBuilder


def verify_folder(
    agency: TestAgency,
    folder: Path,
    identities: Sequence[Identity] = (),
    *,
    ca: bool = True,
    store: bool = True,
    commands: bool = True,
) -> Report:
    """Verify ``folder`` with the agency's trust (any part may be lacking)."""
    trust = folder.parent / f"trust-{ca}-{store}{'' if commands else '-no-commands'}"
    return verify_vaults(folder, load_trust(agency.trust(trust, ca=ca, store=store, commands=commands)), identities)


def check(
    builder: VaultBuilder,
    tmp_path: Path,
    identities: Sequence[Identity] = (),
    *,
    ca: bool = True,
    store: bool = True,
    commands: bool = True,
) -> VaultReport:
    """Write and verify one vault."""
    folder = builder.write(tmp_path / "unit")
    return verify_folder(builder.agency, folder, identities, ca=ca, store=store, commands=commands).vaults[0]


def codes(vault: VaultReport) -> set[str]:
    return {finding.code for finding in vault.findings}


def notes(vault: VaultReport) -> set[str]:
    return {note.code for note in vault.notes}


def subjects(vault: VaultReport, code: str) -> list[str]:
    return [finding.subject for finding in vault.findings if finding.code == code]
