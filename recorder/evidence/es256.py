"""ES256 on ``cryptography``: for the agency's store, which judges certificates with it and would load joserfc for nothing
but this (1.5 MB in each instance, measured).

The forms are held by :func:`recorder.evidence.jws.split`, the arithmetic is another library's than the unit's, and the
verifier's is joserfc (:mod:`recorder.evidence.jose`); tests hold the three together.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from recorder.evidence.encoding import b64u, compact_json, sha256_b64u

SIGNATURE: Final = 64
_ES256: Final = ec.ECDSA(hashes.SHA256())


class Es256Key:
    """A :class:`recorder.evidence.jws.VerifyingKey`. ``key``: on P-256, or ValueError. From several threads."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        if not isinstance(key.curve, ec.SECP256R1):
            raise ValueError(f"不是 P-256 公钥 not a P-256 public key: {key.curve.name}")
        self._key = key

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` (r‖s, RFC 7518 §3.4) is this key's over SHA-256 of ``message``."""
        if len(signature) != SIGNATURE:
            return False
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            self._key.verify(encode_dss_signature(r, s), message, _ES256)
        except InvalidSignature:
            return False
        return True


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 thumbprint of a P-256 key: SHA-256 over the required members in lexicographic order."""
    numbers = key.public_numbers()
    jwk = {
        "crv": "P-256",
        "kty": "EC",
        "x": b64u(numbers.x.to_bytes(32, "big")),
        "y": b64u(numbers.y.to_bytes(32, "big")),
    }
    return sha256_b64u(compact_json(jwk))
