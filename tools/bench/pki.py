"""Keys for a bench run, made by real code: an agency CA, a device certificate, the store's key, two age recipients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from firmware_bridge.ports import Clock
from recorder.evidence import bech32
from recorder.evidence.age import generate_identity
from recorder.evidence.signer import FileSigner, load_or_create

UNIT_ID = "zfy-bench"


def recipients(count: int = 2) -> list[str]:
    """Fresh age recipients; nobody keeps the identities."""
    return [bech32.encode("age", generate_identity().public) for _ in range(count)]


def enrol(unit: Path, trust: Path, clock: Clock) -> FileSigner:
    """A device key in ``unit``/keys with a certificate of an agency CA whose public half goes to ``trust``."""
    today = datetime.fromtimestamp(clock.wall_us() / 1e6, UTC)
    trust.mkdir(parents=True)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _name("bench agency CA")
    ca = (
        _certificate(authority, authority, authority_key.public_key(), today)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    (trust / "agency-ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    store_key = ec.generate_private_key(ec.SECP256R1())
    public = store_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (trust / "store-key.pem").write_bytes(public)

    key_file, chain_file = unit / "keys" / "device-key.pem", unit / "keys" / "device-cert.pem"
    signer = load_or_create(key_file, chain_file)
    leaf = (
        _certificate(authority, _name(UNIT_ID), signer.public_key(), today)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    chain_file.write_bytes(leaf.public_bytes(Encoding.PEM))
    return load_or_create(key_file, chain_file)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, today: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=400))
        .not_valid_after(today + timedelta(days=400))
    )


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )
