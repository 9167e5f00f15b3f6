"""Enrolment: what is issued, what is refused, what survives a restart."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware_bridge.clock import SystemClock
from hw_sim.agency.authority import Authority, AuthorityError
from hw_sim.agency.certificates import DOCUMENT_SIGNING
from recorder.evidence.age import parse_identities
from recorder.evidence.statement_signatures import Person, person_of
from recorder.evidence.trust import judge_chain, leads_to_agency, load_trust
from tests.hw_sim.agency.unit_double import csr, new_key


def leaf(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem)[0]


def purposes(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_a_unit_gets_one_certificate_for_each_purpose(authority: Authority) -> None:
    signing, client = new_key(), new_key()
    enrolment = authority.enrol("zfy-000777", csr(signing, "zfy-000777"), csr(client, "zfy-000777"))
    device, tls = leaf(enrolment.device_cert_pem_chain), leaf(enrolment.client_cert_pem)
    assert device.public_key() == signing.public_key()
    assert tls.public_key() == client.public_key()
    assert purposes(device) == [DOCUMENT_SIGNING]
    assert purposes(tls) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    trust = load_trust(authority.trust_dir)
    assert judge_chain((device,), "zfy-000777", trust).trusted
    assert not judge_chain((device,), "zfy-000778", trust).trusted
    assert len(enrolment.recipients) == 2
    assert isinstance(load_pem_public_key(enrolment.store_key_pem), ec.EllipticCurvePublicKey)


def test_a_strict_verifier_accepts_the_ca(authority: Authority) -> None:
    ca = x509.load_pem_x509_certificate(authority.ca_file.read_bytes())
    usage = ca.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign) == (True, True)
    basic = ca.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)


@pytest.mark.parametrize("names", [("zfy-other",), (), ("zfy-1", "zfy-other"), ("zfy-1", "zfy-1")])
def test_a_request_for_another_name_is_refused(authority: Authority, names: tuple[str, ...]) -> None:
    with pytest.raises(AuthorityError, match="zfy-1"):
        authority.enrol("zfy-1", csr(new_key(), *names), csr(new_key(), "zfy-1"))
    with pytest.raises(AuthorityError, match="zfy-1"):
        authority.enrol("zfy-1", csr(new_key(), "zfy-1"), csr(new_key(), *names))


@pytest.mark.parametrize(
    "name", ["store", "ZFY-1", "zfy/1", "zfy#", "+", "", "zfy.1", "-zfy", "zfy-", "z" * 65, "设备"]
)
def test_a_name_that_could_be_a_wildcard_a_path_or_the_store_is_refused(authority: Authority, name: str) -> None:
    with pytest.raises(AuthorityError):
        authority.enrol(name, csr(new_key(), "zfy-1"), csr(new_key(), "zfy-1"))


def test_a_forged_request_is_refused(authority: Authority) -> None:
    request = x509.load_pem_x509_csr(csr(new_key(), "zfy-1")).public_bytes(Encoding.DER)
    forged = x509.load_der_x509_csr(request[:-1] + bytes([request[-1] ^ 1])).public_bytes(Encoding.PEM)
    with pytest.raises(AuthorityError, match="signature"):
        authority.enrol("zfy-1", forged, csr(new_key(), "zfy-1"))
    with pytest.raises(AuthorityError, match="PEM"):
        authority.enrol("zfy-1", b"nonsense", csr(new_key(), "zfy-1"))


def test_one_key_for_both_purposes_is_refused(authority: Authority) -> None:
    key = new_key()
    with pytest.raises(AuthorityError, match="share"):
        authority.enrol("zfy-1", csr(key, "zfy-1"), csr(key, "zfy-1"))


def test_other_kinds_of_keys_are_refused(authority: Authority) -> None:
    from cryptography.hazmat.primitives import hashes

    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zfy-1")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for key in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())):
        request = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
        with pytest.raises(AuthorityError, match="P-256"):
            authority.enrol("zfy-1", request, csr(new_key(), "zfy-1"))


def test_what_a_request_asks_for_is_not_what_it_gets(authority: Authority) -> None:
    from cryptography.hazmat.primitives import hashes

    key = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zfy-1")])
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("store")]), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    certificate = leaf(authority.enrol("zfy-1", greedy, csr(new_key(), "zfy-1")).device_cert_pem_chain)
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_everything_is_found_again_and_nothing_secret_is_readable_by_others(tmp_path: Path) -> None:
    clock = SystemClock()
    first = Authority(tmp_path, clock)
    enrolment = first.enrol("zfy-1", csr(new_key(), "zfy-1"), csr(new_key(), "zfy-1"))
    assert first.revoke("zfy-1") == 2
    again = Authority(tmp_path, clock)
    assert again.recipients == first.recipients
    assert again.revoke("zfy-1") == 0
    for name in ("agency-ca.pem", "store-key.pem", "recipients.txt"):
        assert (again.trust_dir / name).exists()
    trust = load_trust(again.trust_dir)
    assert trust.revoked_at(leaf(enrolment.device_cert_pem_chain)) is not None
    assert len(trust.store_keys) == 1
    for path in tmp_path.rglob("*"):
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(again.identity_file.stat().st_mode) == 0o600


def test_the_published_trust_holds_what_a_verifier_needs_and_no_key(authority: Authority, tmp_path: Path) -> None:
    authority.publish_trust(tmp_path / "trust", tmp_path / "identity.txt")
    names = sorted(path.name for path in (tmp_path / "trust").iterdir())
    assert names == ["agency-ca.pem", "command-key.pem", "crl.pem", "recipients.txt", "store-key.pem"]
    assert all(b"PRIVATE" not in path.read_bytes() for path in (tmp_path / "trust").iterdir())
    identity = parse_identities((tmp_path / "identity.txt").read_text(encoding="utf-8"))[0]
    assert identity.recipient == authority.recipients[0]


def test_an_officer_gets_a_certificate_to_sign_statements_with(authority: Authority) -> None:
    key = new_key()
    certificate = leaf(authority.enrol_person("张三", "13010001001", "officer", csr(key, "张三")))
    assert certificate.public_key() == key.public_key()
    assert person_of(certificate) == Person("张三", "13010001001", "officer")
    trust = load_trust(authority.trust_dir)
    assert leads_to_agency((certificate,), trust).trusted
    assert not judge_chain((certificate,), "张三", trust).trusted  # a person is no unit
    assert trust.revoked_at(certificate) is None
    assert authority.revoke_person("13010001001") == 1
    assert load_trust(authority.trust_dir).revoked_at(certificate) is not None


@pytest.mark.parametrize(
    ("name", "number"), [("zfy-000777", "1"), (" ", "1"), ("张三", ""), ("张三", "冀1"), ("张三", "1 2")]
)
def test_a_person_needs_a_name_no_unit_has_and_a_plain_number(authority: Authority, name: str, number: str) -> None:
    with pytest.raises(AuthorityError):
        authority.enrol_person(name, number, "officer", csr(new_key(), name))
