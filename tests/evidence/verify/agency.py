"""A test agency: CA, store key, device certificates, trust folder. Times are fixed; nothing here reads a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from hw_sim.agency.certificates import file_signer
from recorder.evidence.signer import FileSigner
from recorder.evidence.trust import DOCUMENT_SIGNING

NOW = 1_795_000_000.0
"""2026-11-18, when the shifts of the tests begin."""
DAY = 86_400.0


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, ca: bool) -> x509.KeyUsage:
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


@dataclass(slots=True)
class TestAgency:
    """``__test__`` keeps pytest from collecting it."""

    __test__ = False

    name: str = "测试机关 CA"
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    store: FileSigner = field(default_factory=lambda: file_signer(ec.generate_private_key(ec.SECP256R1())))
    commands: FileSigner = field(default_factory=lambda: file_signer(ec.generate_private_key(ec.SECP256R1())))
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        builder = x509.CertificateBuilder().subject_name(_name(self.name)).issuer_name(_name(self.name))
        builder = builder.public_key(self.key.public_key()).serial_number(1)
        builder = builder.not_valid_before(_at(NOW - 365 * DAY)).not_valid_after(_at(NOW + 3650 * DAY))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=True), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())

    def issue(
        self,
        common_name: str,
        not_before: float = NOW - DAY,
        not_after: float = NOW + 365 * DAY,
        serial: int = 7,
        purposes: tuple[x509.ObjectIdentifier, ...] = (),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> FileSigner:
        """A device key with its certificate; ``purposes`` become its extended key usage."""
        return self._issue(_name(common_name), not_before, not_after, serial, purposes, key)

    def _issue(
        self,
        subject: x509.Name,
        not_before: float,
        not_after: float,
        serial: int,
        purposes: tuple[x509.ObjectIdentifier, ...],
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> FileSigner:
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.certificate.subject)
        builder = builder.public_key(key.public_key()).serial_number(serial)
        builder = builder.not_valid_before(_at(not_before)).not_valid_after(_at(not_after))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(ca=False), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        return file_signer(key, (builder.sign(self.key, hashes.SHA256()),))

    def person(
        self,
        name: str,
        number: str,
        title: str = "行政执法人员",
        *,
        not_after: float = NOW + 365 * DAY,
        serial: int = 70,
    ) -> FileSigner:
        """An officer's (or admin's) key with the certificate to sign statements with."""
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, number),
                x509.NameAttribute(NameOID.TITLE, title),
            ]
        )
        return self._issue(subject, NOW - DAY, not_after, serial, (DOCUMENT_SIGNING,))

    def trust(self, folder: Path, *, ca: bool = True, store: bool = True, commands: bool = True) -> Path:
        """Write the trust folder; any file may be left out."""
        folder.mkdir(parents=True, exist_ok=True)
        if ca:
            (folder / "agency-ca.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        if store:
            pem = self.store.public_key().pem()
            (folder / "store-key.pem").write_bytes(pem)
        if commands:
            (folder / "command-key.pem").write_bytes(self.commands.public_key().pem())
        return folder

    def revoke(self, folder: Path, serial: int, at: float) -> None:
        """Write ``crl.pem`` into a trust folder."""
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(_at(at)).build()
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(_at(at)).next_update(_at(at + 3650 * DAY)).add_revoked_certificate(entry)
        (folder / "crl.pem").write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
