"""Keys and certificates for the tests: one CA, a server, a unit, the store's receipt key, and a CA nobody trusts."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from firmware_bridge.clock import SystemClock
from hw_sim.agency.certificates import file_signer
from recorder.evidence.signer import FileSigner

UNIT = "zfy-000001"
_FROM = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_TO = dt.datetime(2090, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Pki:
    root: Path
    store_signer: FileSigner
    other_signer: FileSigner
    agency: _Authority

    @property
    def tls(self) -> Path:
        """The unit's tls_dir."""
        return self.root / "tls"

    @property
    def rogue_tls(self) -> Path:
        """A tls_dir whose client certificate comes from a CA the store does not know."""
        return self.root / "rogue"

    @property
    def trust(self) -> Path:
        return self.root / "trust"

    @property
    def server_cert(self) -> Path:
        return self.root / "server-cert.pem"

    @property
    def server_key(self) -> Path:
        return self.root / "server-key.pem"

    @property
    def ca(self) -> Path:
        return self.tls / "ca.pem"


def name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class _Authority:
    def __init__(self, common: str) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name(common))
            .issuer_name(name(common))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_FROM)
            .not_valid_after(_TO)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self,
        common: str,
        key: ec.EllipticCurvePrivateKey,
        *,
        server: bool = False,
        begins: dt.datetime = _FROM,
        ends: dt.datetime = _TO,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(name(common))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
        )
        if server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _write_certificate(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(Encoding.PEM))


def make_pki(root: Path) -> Pki:
    agency, rogue = _Authority("test agency CA"), _Authority("rogue CA")
    store_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    pki = Pki(root, file_signer(store_key), file_signer(other_key), agency)
    for directory in (pki.tls, pki.rogue_tls, pki.trust):
        directory.mkdir(parents=True)
    for directory, authority in ((pki.tls, agency), (pki.rogue_tls, rogue)):
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(directory / "client-key.pem", key)
        _write_certificate(directory / "client-cert.pem", authority.issue(UNIT, key))
        _write_certificate(directory / "ca.pem", agency.certificate)
    for who in ("server", "store"):
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(root / f"{who}-key.pem", key)
        _write_certificate(root / f"{who}-cert.pem", agency.issue(who, key, server=who == "server"))
    public = store_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (pki.trust / "store-key.pem").write_bytes(public)
    _write_certificate(pki.trust / "agency-ca.pem", agency.certificate)
    return pki


def issue_for(pki: Pki, folder: Path, common: str, begins: dt.timedelta, ends: dt.timedelta) -> None:
    """``client-cert.pem`` and ``client-key.pem`` in ``folder``, valid from ``begins`` to ``ends`` after now."""
    now = dt.datetime.fromtimestamp(SystemClock().wall_us() / 1e6, dt.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = pki.agency.issue(common, key, server=common == "server", begins=now + begins, ends=now + ends)
    # Both at once for whoever reads them now: the key last, as an enrolment does.
    for name, write in (("client-cert.pem", certificate), ("client-key.pem", key)):
        new = folder / f".{name}"
        _write_key(new, write) if isinstance(write, ec.EllipticCurvePrivateKey) else _write_certificate(new, write)
        new.replace(folder / name)
