"""Promise 4 as a property: one changed byte anywhere in the evidence, and the vault is not valid any more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.age import generate_identity
from recorder.evidence.verify import Trust, load_trust, verify_vaults
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.vault_builder import sound_vault


@dataclass(frozen=True, slots=True)
class Sound:
    trust: Trust
    plain: Path
    sealed: Path


@pytest.fixture(scope="module")
def sound(agency: TestAgency, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    root = tmp_path_factory.mktemp("any-change")
    return Sound(
        load_trust(agency.trust(root / "trust")),
        sound_vault(agency).write(root / "plain"),
        sound_vault(agency, (generate_identity().recipient,), seed=2).write(root / "sealed"),
    )


@settings(max_examples=200, deadline=None)
@given(which=st.sampled_from(["plain", "sealed"]), data=st.data())
def test_one_changed_byte_is_never_valid(sound: Sound, which: str, data: st.DataObject) -> None:
    vault = sound.plain if which == "plain" else sound.sealed
    files = sorted(path for path in vault.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    original = path.read_bytes()
    # A receipt's trailing line feed belongs to nobody.
    position = data.draw(st.integers(0, len(original.rstrip(b"\n")) - 1))
    changed = bytearray(original)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        path.write_bytes(bytes(changed))
        assert not verify_vaults(vault, sound.trust).valid
    finally:
        path.write_bytes(original)


@settings(max_examples=60, deadline=None)
@given(which=st.sampled_from(["plain", "sealed"]), data=st.data())
def test_one_cut_or_lost_file_is_never_valid(sound: Sound, which: str, data: st.DataObject) -> None:
    vault = sound.plain if which == "plain" else sound.sealed
    files = sorted(path for path in vault.rglob("*") if path.is_file() and path.parent.name != "receipts")
    path = data.draw(st.sampled_from(files))
    original = path.read_bytes()
    kept = data.draw(st.one_of(st.none(), st.integers(0, len(original) - 1)))
    try:
        path.unlink()
        if kept is not None:
            path.write_bytes(original[:kept])
        assert not verify_vaults(vault, sound.trust).valid
    finally:
        path.write_bytes(original)
