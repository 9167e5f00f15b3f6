"""Who a request behind nginx is from: the certificate nginx verified and passed on, judged once more.

nginx has checked that the client holds the certificate's key (the TLS handshake), and it overwrites the header whatever
the client sent under its name (``front``). Everything else is checked again here: the chain to the agency CA, the purpose,
the dates, and the revocation list as it is now, which nginx reads only when it is reloaded.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from email.message import Message
from urllib.parse import unquote

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware_bridge.ports import Clock
from hw_sim.agency.certificates import common_name
from hw_sim.agency.store.problem import FORBIDDEN, Problem
from hw_sim.agency.store.tls import require_in_force
from recorder.evidence.trust import Trust, leads_to_agency

HEADER = "X-Client-Cert"
"""``$ssl_client_escaped_cert`` of nginx: PEM, percent-encoded."""
MAX_HEADER = 16 * 1024
KEPT = 256


class ProxyIdentity:
    """``trust()``: CA and revocations as they are now. Thread-safe."""

    def __init__(self, trust: Callable[[], Trust], clock: Clock) -> None:
        self._trust = trust
        self._clock = clock
        self._lock = threading.Lock()
        self._judged: dict[str, x509.Certificate] = {}
        self._by: Trust | None = None

    def name(self, connection: socket.socket, headers: Message) -> str:
        """Raises Problem 403 saying what is wrong."""
        given = headers.get_all(HEADER, [])
        if len(given) != 1 or not given[0]:
            # Not one header, set by nginx: then this did not come through it as it should.
            raise Problem(FORBIDDEN, f"{len(given)} × {HEADER}: 没有客户端证书 no client certificate")
        certificate = self._certificate(given[0])
        require_in_force(certificate, self._clock)
        return common_name(certificate.subject) or ""

    def _certificate(self, text: str) -> x509.Certificate:
        """Judged by the present CA and revocation list: each certificate once for each of these."""
        trust = self._trust()
        with self._lock:
            if self._by is not trust:
                self._judged.clear()
                self._by = trust
            known = self._judged.get(text)
        if known is not None:
            return known
        certificate = judge(text, trust)
        with self._lock:
            if self._by is trust:
                if len(self._judged) >= KEPT:
                    self._judged.clear()
                self._judged[text] = certificate
        return certificate


def judge(text: str, trust: Trust) -> x509.Certificate:
    """The certificate in a header value, if the agency issued it for TLS clients and has not revoked it. Pure.

    Raises Problem 403."""
    if len(text) > MAX_HEADER:
        raise Problem(FORBIDDEN, f"{HEADER}: longer than {MAX_HEADER}")
    try:
        certificates = x509.load_pem_x509_certificates(unquote(text, errors="strict").encode("ascii"))
        certificate = certificates[0]
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise Problem(FORBIDDEN, f"{HEADER}: {error}") from error
    if len(certificates) != 1:
        raise Problem(FORBIDDEN, f"{HEADER}: {len(certificates)} certificates")
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise Problem(FORBIDDEN, "不是 TLS 客户端证书 the certificate is not for TLS clients")
    verdict = leads_to_agency((certificate,), trust)
    if not verdict.trusted:
        raise Problem(FORBIDDEN, f"{verdict.zh} {verdict.en}")
    if trust.revoked_at(certificate) is not None:
        raise Problem(FORBIDDEN, "证书已吊销 the certificate was revoked")
    return certificate
