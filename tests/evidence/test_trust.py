"""The trust folder: what is lacking makes verdicts poorer, what is broken is an error that names the file."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from recorder.evidence.trust import DOCUMENT_SIGNING, judge_chain, parse_x5c
from recorder.evidence.verify import CannotRead, load_trust
from tests.evidence.verify.agency import NOW, TestAgency

AGENCY = TestAgency()
SIGNER = AGENCY.issue("zfy-000001")


def test_complete_folder(tmp_path: Path) -> None:
    trust = load_trust(AGENCY.trust(tmp_path))
    assert len(trust.authorities) == len(trust.store_keys) == 1
    assert judge_chain(parse_x5c(list(SIGNER.x5c)), "zfy-000001", trust).trusted


def test_empty_folder_is_no_error(tmp_path: Path) -> None:
    trust = load_trust(tmp_path)
    assert (trust.authorities, trust.store_keys, trust.revoked) == ((), (), ())


@pytest.mark.parametrize("name", ["agency-ca.pem", "store-key.pem", "crl.pem"])
@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_broken_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (AGENCY.trust(tmp_path) / name).write_bytes(content)
    with pytest.raises(CannotRead) as error:
        load_trust(tmp_path)
    assert error.value.path.name == name
    assert error.value.zh
    assert error.value.en


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CannotRead) as error:
        load_trust(tmp_path / "nowhere")
    assert error.value.path.name == "nowhere"


def test_store_key_of_another_kind(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (AGENCY.trust(tmp_path) / "store-key.pem").write_bytes(pem)
    with pytest.raises(CannotRead, match="P-256"):
        load_trust(tmp_path)


def test_revocation_list_of_somebody_else(tmp_path: Path) -> None:
    AGENCY.trust(tmp_path)
    TestAgency(name="测试机关 CA").revoke(tmp_path, serial=7, at=NOW)
    with pytest.raises(CannotRead, match=r"crl\.pem"):
        load_trust(tmp_path)


def test_chain_of_a_same_named_authority_is_not_trusted(tmp_path: Path) -> None:
    trust = load_trust(AGENCY.trust(tmp_path))
    impostor = TestAgency(name="测试机关 CA").issue("zfy-000001")
    assert not judge_chain(parse_x5c(list(impostor.x5c)), "zfy-000001", trust).trusted


def test_another_units_certificate_does_not_speak(tmp_path: Path) -> None:
    trust = load_trust(AGENCY.trust(tmp_path))
    verdict = judge_chain(parse_x5c(list(SIGNER.x5c)), "zfy-000002", trust)
    assert not verdict.trusted
    assert "zfy-000001" in verdict.zh


def test_a_device_certificate_cannot_issue_others(tmp_path: Path) -> None:
    """A unit that signs a certificate for another unit with its own device key."""
    trust = load_trust(AGENCY.trust(tmp_path))
    key = ec.generate_private_key(ec.SECP256R1())
    device = AGENCY.issue("zfy-000001", key=key)
    rogue = TestAgency(name="zfy-000001", key=key)
    forged = rogue.issue("zfy-000002")
    assert not judge_chain(parse_x5c([*forged.x5c, *device.x5c]), "zfy-000002", trust).trusted


def test_a_tls_certificate_signs_no_journal(tmp_path: Path) -> None:
    """The uplink faces the network and holds such a key."""
    trust = load_trust(AGENCY.trust(tmp_path))
    tls = AGENCY.issue("zfy-000001", purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    signing = AGENCY.issue("zfy-000001", purposes=(DOCUMENT_SIGNING,))
    refused = judge_chain(parse_x5c(list(tls.x5c)), "zfy-000001", trust)
    assert not refused.trusted
    assert "document signing" in refused.en
    assert judge_chain(parse_x5c(list(signing.x5c)), "zfy-000001", trust).trusted


@pytest.mark.parametrize("x5c", [None, "text", [1], ["!"], ["AAAA"], ["A" * 20_000], list(SIGNER.x5c) * 6])
def test_strange_x5c_is_refused_with_a_reason(x5c: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_x5c(x5c)
