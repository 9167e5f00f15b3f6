"""TLS of the ingest server: client certificates required, revocation list checked and read again when it changes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import common_name
from recorder.evidence.trust import Trust


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """``directory`` holds ``server-cert.pem`` and ``server-key.pem``; ``ca`` and ``crl`` are the agency's."""

    directory: Path
    ca: Path
    crl: Path


class TlsContexts:
    """The context for the next connection. Thread-safe enough: at worst two threads build the same one."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp: tuple[int, int] | None = None
        self._context: ssl.SSLContext | None = None
        self._trust = Trust()
        self.current()

    def current(self) -> ssl.SSLContext:
        state = self._files.crl.stat()
        stamp = (state.st_ino, state.st_mtime_ns)
        if self._context is None or stamp != self._stamp:
            self._context, self._trust, self._stamp = self._build(), load(self._files), stamp
        return self._context

    def trust(self) -> Trust:
        """CA and revocations as the last connection saw them."""
        self.current()
        return self._trust

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        # What Python 3.13 does by default: a PKI that only works without it would break with the next Debian.
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_CRL_CHECK_LEAF
        # A resumed session is not checked against the list again.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        context.load_cert_chain(self._files.directory / "server-cert.pem", self._files.directory / "server-key.pem")
        context.load_verify_locations(self._files.ca)
        context.load_verify_locations(self._files.crl)
        return context


def load(files: TlsFiles) -> Trust:
    """Raises ValueError when the list is not signed by the CA."""
    authorities = tuple(x509.load_pem_x509_certificates(files.ca.read_bytes()))
    crl = x509.load_pem_x509_crl(files.crl.read_bytes())
    if not any(_signed_by(crl, authority) for authority in authorities):
        raise ValueError(f"{files.crl}: 不是该 CA 签发 not signed by {files.ca}")
    revoked = tuple((crl.issuer, entry.serial_number, entry.revocation_date_utc.timestamp()) for entry in crl)
    return Trust(authorities, (), revoked)


def _signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)


def peer_name(connection: ssl.SSLSocket) -> str | None:
    """The common name of the verified client certificate."""
    der = connection.getpeercert(binary_form=True)
    return None if der is None else common_name(x509.load_der_x509_certificate(der).subject)
