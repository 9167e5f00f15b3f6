"""What an error below HTTP means. Pure."""

from __future__ import annotations

import http.client
import socket
import ssl

from recorder.uplink.faults import (
    CONNECTION_LOST,
    PROTOCOL,
    STORE_TIMEOUT,
    STORE_UNREACHABLE,
    STORE_UNRESOLVED,
    TLS_FAILED,
    TLS_NOT_NOW,
    TLS_REFUSED,
    TLS_UNTRUSTED,
    LinkFault,
    UplinkFault,
)

NOT_YET_VALID, HAS_EXPIRED = 9, 10
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h."""


def link_fault(error: Exception, *, connecting: bool) -> UplinkFault:
    """Name what went wrong below HTTP. A refusal of certificates is never taken for a bad line, nor the reverse."""
    text = str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        kind = TLS_NOT_NOW if error.verify_code in (NOT_YET_VALID, HAS_EXPIRED) else TLS_UNTRUSTED
        return LinkFault(kind, error.verify_message or text)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        reason = (error.reason or text).upper()
        if "ALERT" in reason and any(word in reason for word in ("CERT", "UNKNOWN_CA", "ACCESS_DENIED")):
            return LinkFault(TLS_REFUSED, reason)
        return LinkFault(TLS_FAILED if connecting else CONNECTION_LOST, text)
    if isinstance(error, socket.gaierror | UnicodeError):
        return LinkFault(STORE_UNRESOLVED, text)
    if isinstance(error, TimeoutError):
        return LinkFault(STORE_TIMEOUT, text)
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, http.client.RemoteDisconnected):
        return LinkFault(PROTOCOL, text)
    if isinstance(error, OSError) and connecting:
        return LinkFault(STORE_UNREACHABLE, text)
    return LinkFault(CONNECTION_LOST, text or type(error).__name__)
