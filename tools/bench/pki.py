"""Keys for a bench run: an agency CA, device and TLS certificates. Thrown away with the run."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from firmware_bridge.ports import Clock
from recorder.evidence.signer import FileSigner, load_or_create
from tools.bench.identity import UNIT_ID

LIFE = timedelta(days=400)
LOCAL = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))])


class Authority:
    """A CA that satisfies OpenSSL's strict checks (the store and Python 3.13 make them)."""

    def __init__(self, clock: Clock) -> None:
        self._now = datetime.fromtimestamp(clock.wall_us() / 1e6, UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("bench agency CA")
        builder = self._builder(self._name, self._key.public_key(), authority=True)
        self.certificate = builder.sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def issue(self, key: ec.EllipticCurvePublicKey, name: str, purpose: ObjectIdentifier | None = None) -> bytes:
        """A leaf as PEM; ``purpose``: extended key usage, None for a signing key."""
        builder = self._builder(_name(name), key, authority=False).add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
        )
        if purpose is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        if purpose == ExtendedKeyUsageOID.SERVER_AUTH:
            builder = builder.add_extension(LOCAL, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def revocations(self) -> bytes:
        """An empty revocation list as PEM: the store insists on one."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._name)
        builder = builder.last_update(self._now - LIFE).next_update(self._now + LIFE)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, *, authority: bool) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - LIFE)
            .not_valid_after(self._now + LIFE)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True)
            .add_extension(_usage(authority=authority), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def enrol(unit: Path, trust: Path, clock: Clock) -> FileSigner:
    """A device key in ``unit``/keys with a certificate of a new CA, whose public half goes to ``trust``."""
    authority = Authority(clock)
    trust.mkdir(parents=True)
    (trust / "agency-ca.pem").write_bytes(authority.pem)
    store_key = ec.generate_private_key(ec.SECP256R1()).public_key()
    public = store_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (trust / "store-key.pem").write_bytes(public)
    key_file, chain_file = unit / "keys" / "device-key.pem", unit / "keys" / "device-cert.pem"
    signer = load_or_create(key_file, chain_file)
    public_key = load_der_public_key(signer.public_key().spki)
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    chain_file.write_bytes(authority.issue(public_key, UNIT_ID))
    return load_or_create(key_file, chain_file)


def tls(client: Path, server: Path, clock: Clock) -> None:
    """What a store and its unit need for mutual TLS: ``ca.pem crl.pem client-cert.pem client-key.pem`` and
    ``server-cert.pem server-key.pem``."""
    authority = Authority(clock)
    for folder in (client, server):
        folder.mkdir(parents=True, exist_ok=True)
    (client / "ca.pem").write_bytes(authority.pem)
    (client / "crl.pem").write_bytes(authority.revocations())
    for folder, prefix, name, purpose in (
        (server, "server", "localhost", ExtendedKeyUsageOID.SERVER_AUTH),
        (client, "client", UNIT_ID, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{prefix}-cert.pem").write_bytes(authority.issue(key.public_key(), name, purpose))
        (folder / f"{prefix}-key.pem").write_bytes(secret)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
