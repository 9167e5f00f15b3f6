"""Keys, certificates, trust: missing, wrong, expired, well."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_bridge.ports import Check
from recorder.config.models import RecorderConfig
from recorder.doctor.identity import identity
from recorder.evidence.signer import load_or_create_key
from tests.evidence.authority import START, Ca
from tests.evidence.test_enrol import UNIT, Places, answer
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


class AtTime(ManualClock):
    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at

    def wall_us(self) -> int:
        return int(self._at * 1e6)


@pytest.mark.parametrize(
    ("days_after_start", "verdict", "says"),
    [
        (1, "ok", "valid for"),
        (3640, "warning", "expires in"),
        (3651, "fault", "not valid now"),
        (-1, "fault", "not valid"),
    ],
)
def test_an_enrolled_unit_and_the_end_of_its_certificate(
    tmp_path: Path, days_after_start: int, verdict: str, says: str
) -> None:
    config, places = enrolled(tmp_path, Ca("agency"))
    found = looked(config, AtTime(START.timestamp() + days_after_start * 86_400))
    assert (found["keys.certificate"].verdict, says in found["keys.certificate"].en) == (verdict, True)
    assert {device: check.verdict for device, check in found.items() if device != "keys.certificate"} == {
        "trust.agency-ca": "ok",
        "trust.store-key": "ok",
        "keys.device": "ok",
    }
    assert places.installed()


def test_a_certificate_of_another_agency(tmp_path: Path) -> None:
    config, places = enrolled(tmp_path, Ca("agency"))
    (places.trust / "agency-ca.pem").write_bytes(Ca("another").pem)
    check = looked(config, AtTime(START.timestamp() + 86_400))["keys.certificate"]
    assert check.verdict == "fault" and "does not lead to the agency's CA" in check.en


def enrolled(root: Path, ca: Ca) -> tuple[RecorderConfig, Places]:
    places = Places(root)
    places.request()
    answer(places, ca)
    places.install()
    sections = {"device": {"id": UNIT}, "trust": {"dir": str(places.trust)}, "uplink": {"tls_dir": str(places.tls)}}
    return configuration(places.data, sections), places
