"""X.509 of the agency: one P-256 CA, leaf certificates for one purpose each, a revocation list.

Python 3.13 verifies with ``VERIFY_X509_STRICT``: a CA without critical ``keyUsage`` (keyCertSign, cRLSign) or a leaf
without an authority key identifier is refused there, although 3.11 accepts both.

A signing certificate carries EKU *documentSigning* (RFC 9336) and a TLS certificate *clientAuth*: the uplink faces the
network and holds the TLS key, and must not be able to sign a journal with it (design §3).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_public_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from recorder.evidence.p256 import PrivateKey, PublicKey
from recorder.evidence.signer import FileSigner

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
CA_DAYS, LEAF_DAYS, CRL_DAYS = 3650, 1095, 3650
BACKDATE = timedelta(days=1)
"""A unit whose clock is a little behind must not refuse a fresh certificate."""


class Purpose(Enum):
    """What a leaf certificate may be used for: exactly one thing."""

    SIGNING = DOCUMENT_SIGNING
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
    SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def utc(wall_us: int) -> datetime:
    return datetime.fromtimestamp(wall_us // 1_000_000, UTC)


def file_signer(key: ec.EllipticCurvePrivateKey, chain: Sequence[x509.Certificate] = ()) -> FileSigner:
    """As the recorder would load it from files."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return FileSigner(PrivateKey(pem), tuple(certificate.public_bytes(Encoding.DER) for certificate in chain))


def as_cryptography(public: PublicKey) -> ec.EllipticCurvePublicKey:
    """The same key, as the other library has it."""
    key = load_der_public_key(public.spki)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key


def make_ca(key: ec.EllipticCurvePrivateKey, name: str, now: datetime) -> x509.Certificate:
    subject = device_name(name)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def make_leaf(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    public: ec.EllipticCurvePublicKey,
    subject: x509.Name,
    purpose: Purpose,
    now: datetime,
    hosts: tuple[str, ...] = (),
) -> x509.Certificate:
    """Nothing of a request is copied but its key: an extension it asked for is not an extension it gets."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(ca.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + timedelta(days=LEAF_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose.value]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return builder.sign(ca_key, hashes.SHA256())


def make_crl(
    ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey, revoked: Iterable[tuple[int, datetime]], now: datetime
) -> x509.CertificateRevocationList:
    """``revoked``: (serial, since when). Always made, even empty: TLS ends check against a list that must exist."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(now - BACKDATE)
        .next_update(now + timedelta(days=CRL_DAYS))
    )
    for serial, since in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        builder = builder.add_revoked_certificate(entry)
    return builder.sign(ca_key, hashes.SHA256())


def common_name(subject: x509.Name) -> str | None:
    """The one common name; None when there is none or more than one (which of two is meant?)."""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None


def may_sign_journals(certificate: x509.Certificate) -> bool:
    """A certificate that names its purposes must name document signing."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return DOCUMENT_SIGNING in usage


def pem(thing: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    return thing.public_bytes(Encoding.PEM)


def device_name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def person_name(name: str, number: str, title: str) -> x509.Name:
    """An officer or admin: CN 姓名, ``serialNumber`` (X.520) 执法证号, ``title`` what they are (docs/formats.md §9)."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, number),
            x509.NameAttribute(NameOID.TITLE, title),
        ]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
