"""Keys, certificates, trust: missing, wrong, expired, well."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.ports import Check
from recorder.config.models import RecorderConfig
from recorder.doctor.identity import identity
from recorder.evidence.signer import load_or_create_key
from tests.firmware_bridge.manual_clock import ManualClock
from tests.unit.unit_kit import configuration


def looked(config: RecorderConfig, clock: ManualClock | None = None) -> dict[str, Check]:
    found = {check.device: check for check in identity(config, clock or ManualClock())}
    assert all(check.verdict == "ok" or (check.advice_zh and check.advice_en) for check in found.values())
    return found


def test_before_enrolment_nothing_is_made(tmp_path: Path) -> None:
    found = looked(configuration(tmp_path))
    assert {device: check.verdict for device, check in found.items()} == {
        "trust": "fault",
        "keys.device": "warning",
        "keys.certificate": "warning",
    }
    assert list(tmp_path.iterdir()) == [], "a doctor makes no keys"


def test_an_empty_trust_folder(tmp_path: Path) -> None:
    (tmp_path / "trust").mkdir()
    found = looked(configuration(tmp_path))
    assert (found["trust.agency-ca"].verdict, found["trust.store-key"].verdict) == ("warning", "warning")


@pytest.mark.parametrize("name", ["agency-ca.pem", "store-key.pem"])
def test_a_spoilt_trust_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / name).write_text("-----BEGIN\n", encoding="ascii")
    found = looked(configuration(tmp_path))
    assert found["trust"].verdict == "fault" and name in found["trust"].en


def test_a_key_that_others_may_read(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "device-key.pem"
    load_or_create_key(key)
    assert looked(configuration(tmp_path))["keys.device"].verdict == "ok"
    key.chmod(0o644)
    found = looked(configuration(tmp_path))["keys.device"]
    assert found.verdict == "fault" and "0644" in found.en
