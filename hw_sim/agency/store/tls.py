"""TLS of the ingest server: client certificates required, revocation list checked and read again when it changes."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import common_name
from hw_sim.agency.store.problem import FORBIDDEN, Problem
from recorder.evidence.trust import Trust, validity
from recorder.uplink.tls_socket import use_tls_socket

log = logging.getLogger("agency.store")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """``directory`` holds ``server-cert.pem`` and ``server-key.pem``; ``ca`` and ``crl`` are the agency's."""

    directory: Path
    ca: Path
    crl: Path

    @property
    def certificate(self) -> Path:
        return self.directory / "server-cert.pem"

    @property
    def key(self) -> Path:
        return self.directory / "server-key.pem"


class AgencyTrust:
    """The agency's CA and revocation list, read again when the list changes. Thread-safe enough: at worst two threads read
    the same files. Raises OSError, ValueError (a list the CA did not sign)."""

    def __init__(self, ca: Path, crl: Path) -> None:
        self._ca = ca
        self.crl = crl
        self._held: tuple[tuple[int, int], Trust] | None = None
        self.current()

    def stamp(self) -> tuple[int, int]:
        state = self.crl.stat()
        return state.st_ino, state.st_mtime_ns

    def current(self) -> Trust:
        """The same object as long as nothing has changed."""
        stamp, held = self.stamp(), self._held
        if held is None or held[0] != stamp:
            self._held = held = (stamp, load(self._ca, self.crl))
        return held[1]


class TlsContexts:
    """The context for the next connection, built again when list, certificate or key change. A renewed pair is two files:
    between the two they do not fit, and the old pair serves on, with each new list as well. A list that cannot be read
    lets nobody in. Thread-safe enough: at worst two threads build the same one."""

    def __init__(self, files: TlsFiles, trust: AgencyTrust) -> None:
        self._files = files
        self.trust = trust
        self._held: tuple[tuple[int, int], tuple[Stamp, Stamp], ssl.SSLContext] | None = None
        self._refused: tuple[Stamp, Stamp] | None = None
        self.current()

    def current(self) -> ssl.SSLContext:
        """Raises OSError, ValueError."""
        listed, pair, held = self.trust.stamp(), self._pair(), self._held
        if held is not None and pair in (held[1], self._refused):
            return held[2] if held[0] == listed else self._relisted(listed, held[1], held[2])
        try:
            context = self._build()
        except OSError as error:  # SSLError is one
            if held is None:
                raise
            context = held[2] if held[0] == listed else self._relisted(listed, held[1], held[2])
            self._refused = pair
            log.error(
                "%s: 新证书与私钥不可用，仍用原来的 the new pair cannot be used, the old ones serve on: %s",
                self._files.directory,
                error,
            )
            return context
        self._held = (listed, pair, context)
        return context

    def _relisted(self, listed: tuple[int, int], pair: tuple[Stamp, Stamp], context: ssl.SSLContext) -> ssl.SSLContext:
        """The context of a pair whose files are gone, with the new list beside the former: OpenSSL takes the later one of
        an issuer's, and ``TlsIdentity`` judges by the new one alone. Raises OSError."""
        context.load_verify_locations(self._files.ca)
        context.load_verify_locations(self._files.crl)
        self._held = (listed, pair, context)
        return context

    def _pair(self) -> tuple[Stamp, Stamp]:
        return stamp_of(self._files.certificate), stamp_of(self._files.key)

    def _build(self) -> ssl.SSLContext:
        context = use_tls_socket(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        # What Python 3.13 does by default: a PKI that only works without it would break with the next Debian.
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_CRL_CHECK_LEAF
        # A resumed session is not checked against the list again.
        context.num_tickets = 0
        context.options |= ssl.OP_NO_TICKET
        context.load_cert_chain(self._files.certificate, self._files.key)
        context.load_verify_locations(self._files.ca)
        context.load_verify_locations(self._files.crl)
        return context


def stamp_of(path: Path) -> Stamp:
    """Changes when the file does; of no file, zeros."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return state.st_ino, state.st_mtime_ns, state.st_size


def load(ca: Path, crl_file: Path) -> Trust:
    """Raises ValueError when the list is not signed by the CA."""
    authorities = tuple(x509.load_pem_x509_certificates(ca.read_bytes()))
    crl = x509.load_pem_x509_crl(crl_file.read_bytes())
    if not any(_signed_by(crl, authority) for authority in authorities):
        raise ValueError(f"{crl_file}: 不是该 CA 签发 not signed by {ca}")
    revoked = tuple((crl.issuer, entry.serial_number, entry.revocation_date_utc.timestamp()) for entry in crl)
    return Trust(authorities, (), revoked)


def _signed_by(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return isinstance(key, ec.EllipticCurvePublicKey) and crl.is_signature_valid(key)


class TlsIdentity:
    """The common name of the certificate the connection's own handshake verified; headers are not looked at. ``trust()``:
    CA and revocations as they are now: a connection may be kept for longer than its certificate is good."""

    def __init__(self, trust: Callable[[], Trust], clock: Clock) -> None:
        self._trust = trust
        self._clock = clock

    def name(self, connection: socket.socket, headers: Message) -> str:
        """Raises Problem 403 for a certificate that was revoked, or has expired, since the handshake."""
        certificate = peer_certificate(connection)
        if certificate is None:
            return ""
        if self._trust().revoked_at(certificate) is not None:
            raise Problem(FORBIDDEN, "证书已吊销 the certificate was revoked")
        require_in_force(certificate, self._clock)
        return common_name(certificate.subject) or ""


def peer_certificate(connection: socket.socket) -> x509.Certificate | None:
    """The one the handshake verified."""
    assert isinstance(connection, ssl.SSLSocket), "only sockets with TLS come through this door"
    der = connection.getpeercert(binary_form=True)
    return None if der is None else x509.load_der_x509_certificate(der)


def require_in_force(certificate: x509.Certificate, clock: Clock) -> None:
    """Raises Problem 403 for a certificate that is not valid yet, or no longer."""
    begin, end = validity(certificate)
    if not begin <= clock.wall_us() / 1e6 <= end:
        raise Problem(FORBIDDEN, "证书不在有效期内 the certificate is not valid now")
