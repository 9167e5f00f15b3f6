"""Whom verifier and unit believe: the agency CA, the store's receipt key, the key that signs commands, revocations; and
judging a device certificate.

Everything comes from the trust folder (design §8), all of it public:
``agency-ca.pem`` certificate(s) · ``store-key.pem``, ``command-key.pem`` SPKI PEM, P-256, the present key and any before
it · ``crl.pem`` optional, signed by the CA.
A missing file makes verdicts poorer (``untrusted``, ``unanchored``); an unreadable one is an error (exit 2), because a
verdict against half a trust folder would look like a statement about the evidence.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import NameOID

from recorder.evidence.errors import CannotRead
from recorder.evidence.es256 import thumbprint

MAX_CHAIN = 5
MAX_CERTIFICATE = 16_384
"""Bounds for what a hostile ``boot`` record may make us parse."""

_UNPARSABLE = (
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for strange certificates besides ValueError; they have no common base."""

_PEM_BLOCK = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\s*", re.DOTALL)


DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""id-kp-documentSigning, RFC 9336."""


@dataclass(frozen=True, slots=True)
class Trust:
    """``revoked``: certificate serial → (issuer's subject, time of revocation in seconds)."""

    authorities: tuple[x509.Certificate, ...] = ()
    store_keys: tuple[ec.EllipticCurvePublicKey, ...] = ()
    revoked: tuple[tuple[x509.Name, int, float], ...] = ()
    command_keys: tuple[ec.EllipticCurvePublicKey, ...] = ()

    def revoked_at(self, certificate: x509.Certificate) -> float | None:
        """When ``certificate`` was revoked, None if it was not."""
        times = [
            at
            for issuer, serial, at in self.revoked
            if serial == certificate.serial_number and issuer == certificate.issuer
        ]
        return min(times, default=None)


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """Whether a certificate chain leads to the agency CA for the unit; the reason when it does not."""

    trusted: bool
    zh: str = ""
    en: str = ""


def load_trust(folder: Path) -> Trust:
    """Read a trust folder. Raises CannotRead naming the file."""
    if not folder.is_dir():
        raise CannotRead(folder, "信任目录不存在", "there is no such trust folder")
    authorities = _certificates(folder / "agency-ca.pem")
    return Trust(
        authorities,
        store_keys=_public_keys(folder / "store-key.pem"),
        revoked=_revoked(folder / "crl.pem", authorities),
        command_keys=_public_keys(folder / "command-key.pem"),
    )


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotRead(path, f"无法读取（{error.strerror}）", f"cannot be read ({error.strerror})") from error


def _certificates(path: Path) -> tuple[x509.Certificate, ...]:
    data = _read(path)
    if data is None:
        return ()
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise CannotRead(path, "不是 PEM 证书", f"not PEM certificates: {error}") from error


def _public_keys(path: Path) -> tuple[ec.EllipticCurvePublicKey, ...]:
    data = _read(path)
    if data is None:
        return ()
    keys: list[ec.EllipticCurvePublicKey] = []
    for block in _PEM_BLOCK.findall(data):
        try:
            key = load_pem_public_key(block)
        except ValueError as error:
            raise CannotRead(path, "不是 PEM 公钥", f"not a PEM public key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise CannotRead(path, "不是 P-256 公钥", "not a P-256 public key")
        keys.append(key)
    if not keys:
        raise CannotRead(path, "里面没有 PEM 公钥", "there is no PEM public key in it")
    return tuple(keys)


def _revoked(path: Path, authorities: tuple[x509.Certificate, ...]) -> tuple[tuple[x509.Name, int, float], ...]:
    data = _read(path)
    if data is None:
        return ()
    try:
        crl = x509.load_pem_x509_crl(data)
    except ValueError as error:
        raise CannotRead(path, "不是 PEM 吊销列表", f"not a PEM revocation list: {error}") from error
    if not any(_crl_signed_by(crl, authority) for authority in authorities):
        raise CannotRead(path, "不是该机关 CA 签发的吊销列表", "not signed by a CA of agency-ca.pem")
    return tuple((crl.issuer, entry.serial_number, entry.revocation_date_utc.timestamp()) for entry in crl)


def _crl_signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    if crl.issuer != authority.subject or not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    return crl.is_signature_valid(key)


# --- the device certificate ------------------------------------------------------------------------------------------


def parse_x5c(x5c: object) -> tuple[x509.Certificate, ...]:
    """Certificates of a ``boot`` record, leaf first (RFC 7515 §4.1.6). Raises ValueError saying what is wrong.

    Called before the line's signature is checked (the key is in here), hence the bounds.
    """
    if not isinstance(x5c, list) or not all(isinstance(item, str) for item in x5c):
        raise ValueError("x5c is not a list of strings")
    if len(x5c) > MAX_CHAIN:
        raise ValueError(f"x5c has more than {MAX_CHAIN} certificates")
    certificates = []
    for item in x5c:
        if len(item) > MAX_CERTIFICATE:
            raise ValueError(f"a certificate is longer than {MAX_CERTIFICATE} characters")
        try:
            certificate = x509.load_der_x509_certificate(base64.b64decode(item, validate=True))
            _touch(certificate)
        except (binascii.Error, ValueError, *_UNPARSABLE) as error:
            raise ValueError(f"a certificate does not parse: {error}") from error
        certificates.append(certificate)
    return tuple(certificates)


def _touch(certificate: x509.Certificate) -> None:
    """Parse everything that will be looked at: the library does so lazily, and a hostile certificate must fail here."""
    certificate.public_key()
    for part in ("subject", "issuer", "serial_number", "extensions", "not_valid_before_utc", "not_valid_after_utc"):
        getattr(certificate, part)


def leaf_key(chain: tuple[x509.Certificate, ...]) -> ec.EllipticCurvePublicKey | None:
    """The P-256 key of the leaf, None when there is none."""
    if not chain:
        return None
    key = chain[0].public_key()
    return key if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1) else None


def common_name(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else None


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    return thumbprint(key)


def judge_chain(chain: tuple[x509.Certificate, ...], unit_id: str, trust: Trust) -> ChainVerdict:
    """Does ``chain`` lead to the agency CA, and does its leaf speak for ``unit_id``? Validity times and revocation are
    judged against the time of signing, elsewhere."""
    if not trust.authorities:
        return ChainVerdict(False, "信任目录没有 agency-ca.pem", "there is no agency-ca.pem in the trust folder")
    if not chain:
        return ChainVerdict(False, "启动记录不带证书", "its boot record carries no certificate")
    name = common_name(chain[0])
    if name != unit_id:
        return ChainVerdict(
            False, f"证书属于 {name}，不是 {unit_id}", f"its certificate is for {name}, not for {unit_id}"
        )
    if _is_authority(chain[0]):
        return ChainVerdict(False, "设备证书本身是 CA 证书", "the device certificate is itself a CA certificate")
    if not _may_sign(chain[0]):
        return ChainVerdict(False, "证书不许用于数字签名", "the certificate does not allow digital signatures")
    if not _for_documents(chain[0]):
        return ChainVerdict(
            False,
            "证书不是文档签名证书",
            "its certificate is not for document signing (a TLS certificate signs no journal)",
        )
    if person_title(chain[0]) is not None:
        return ChainVerdict(
            False, "证书属于人员，不属于设备", "its certificate is a person's, and persons sign no journal"
        )
    return leads_to_agency(chain, trust)


def person_title(certificate: x509.Certificate) -> str | None:
    """The ``title`` (X.520) of a person's certificate; None for a device's."""
    titles = certificate.subject.get_attributes_for_oid(NameOID.TITLE)
    return str(titles[0].value) if titles else None


def may_sign_documents(certificate: x509.Certificate) -> bool:
    """A leaf that may sign and is for documents, not for TLS."""
    return not _is_authority(certificate) and _may_sign(certificate) and _for_documents(certificate)


def leads_to_agency(chain: tuple[x509.Certificate, ...], trust: Trust) -> ChainVerdict:
    """Whether the chain leads to the agency CA, whomever its leaf speaks for."""
    for depth, certificate in enumerate(chain):
        if any(_issued(authority, certificate, depth) for authority in trust.authorities):
            return ChainVerdict(True)
        above = chain[depth + 1] if depth + 1 < len(chain) else None
        if above is None or not _issued(above, certificate, depth):
            break
        if trust.revoked_at(above) is not None:
            return ChainVerdict(False, "中间证书已吊销", "an intermediate certificate was revoked")
    return ChainVerdict(False, "证书链不通向机关 CA", "its certificate chain does not lead to the agency CA")


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, depth: int) -> bool:
    """``depth``: certificates below ``certificate``, for the issuer's path length."""
    if issuer.subject != certificate.issuer or not _is_authority(issuer, depth) or not _may_certify(issuer):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _is_authority(certificate: x509.Certificate, depth: int = 0) -> bool:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return constraints.ca and (constraints.path_length is None or depth <= constraints.path_length)


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return None


def _may_certify(certificate: x509.Certificate) -> bool:
    usage = _key_usage(certificate)
    return usage is None or usage.key_cert_sign


def _may_sign(certificate: x509.Certificate) -> bool:
    usage = _key_usage(certificate)
    return usage is None or usage.digital_signature


def _for_documents(certificate: x509.Certificate) -> bool:
    """A certificate that names its purposes must name document signing (RFC 9336): the uplink faces the network and holds
    the unit's TLS key, which must never pass for the key that signs."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return DOCUMENT_SIGNING in usage


def validity(certificate: x509.Certificate) -> tuple[float, float]:
    """(not before, not after) in seconds since 1970."""
    return _seconds(certificate.not_valid_before_utc), _seconds(certificate.not_valid_after_utc)


def _seconds(at: datetime) -> float:
    return at.timestamp()
