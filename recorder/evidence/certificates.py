"""Certificate checks of enrolment: P-256 keys, a chain that leads to the agency's CA, the right name. No revocation here:
that is for whoever verifies, later, with a CRL at hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

_MAX_CHAIN = 8


class CertificateError(ValueError):
    """The certificate cannot be used; the message says why, in Chinese and English."""


def certificate_request(key: ec.EllipticCurvePrivateKey, unit_id: str) -> bytes:
    """PKCS #10 request (RFC 2986) in PEM with CN = ``unit_id``, signed by the key it is for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, unit_id)])
    return (
        x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    )


def private_key(key_file: Path) -> ec.EllipticCurvePrivateKey:
    """The key of a file that ``signer.load_or_create_key`` has accepted."""
    key = load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def load_chain(pem: bytes, name: str) -> tuple[x509.Certificate, ...]:
    """Certificates of a PEM file, leaf first. Raises CertificateError naming the file."""
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError as error:
        raise CertificateError(f"{name}: 不是 PEM 证书 not a PEM certificate: {error}") from error


def check_chain(
    chain: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    key: ec.EllipticCurvePublicKey,
    unit_id: str,
    name: str,
) -> None:
    """The leaf of ``chain`` holds ``key`` and CN ``unit_id``, and leads to one of ``authorities``. Raises CertificateError.

    Validity dates are not judged: a unit without a set clock has to be enrolled too.
    """
    leaf = chain[0]
    if leaf.public_key() != key:
        raise CertificateError(f"{name}: 证书与本机密钥不符 certificate is for another key than this unit's")
    common_names = [attribute.value for attribute in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if common_names != [unit_id]:
        raise CertificateError(
            f"{name}: 证书名 {common_names} 不是本机编号 {unit_id} certificate name is not the unit's id"
        )
    certificate = leaf
    for _ in range(_MAX_CHAIN):
        issuer = _issuer(certificate, authorities)
        if issuer is not None:
            return
        issuer = _issuer(certificate, chain[1:])
        if issuer is None:
            break
        certificate = issuer
    raise CertificateError(f"{name}: 证书链不通向机关根证书 chain does not lead to the agency's CA")


def _issuer(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    for candidate in candidates:
        try:
            constraints = candidate.extensions.get_extension_for_class(x509.BasicConstraints)
            certificate.verify_directly_issued_by(candidate)
        except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
            continue
        if constraints.value.ca:
            return candidate
    return None
