"""Checking a compact JWS with joserfc and ``cryptography``: for the verifier, which deals with certificates anyway. The
rules are those of :mod:`recorder.evidence.jws`; the arithmetic is another library's.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws as joserfc_jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from recorder.evidence.es256 import thumbprint as thumbprint
from recorder.evidence.jws import MAX_LINE, JwsError, Parts, split


class _Registry(joserfc_jws.JWSRegistry):
    """The library's own bounds (512 bytes of header, 128 000 of payload) are below what our lines may have: a certificate
    chain in a header, a long checkpoint or a receipt for hundreds of segments. ``split`` holds them to MAX_LINE."""

    max_header_length = max_payload_length = MAX_LINE


_REGISTRY = _Registry(algorithms=["ES256"])


def verification_key(key: ec.EllipticCurvePublicKey) -> ECKey:
    """Made once for many lines."""
    return ECKey.import_key(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def check(text: str, parts: Parts, key: ECKey) -> Parts:
    """Verify an already split line. Raises JwsError."""
    try:
        joserfc_jws.deserialize_compact(text, key, registry=_REGISTRY)
    except (JoseError, ValueError) as error:
        raise JwsError(f"signature does not verify: {error}") from error
    return parts


def verify(text: str, key: ec.EllipticCurvePublicKey) -> Parts:
    """Split and verify with ES256 and ``key``. Raises JwsError."""
    return check(text, split(text), verification_key(key))
