"""Check one compact JWS (RFC 7515) with ES256 and nothing else, on ``cryptography`` alone.

The same rules as :mod:`recorder.evidence.jws`, which the unit process and the verifier use; tests hold the two together.
A copy, because the library behind that one costs this process 3 MB of the 40 it may have, for one signature in minutes.
"""

from __future__ import annotations

import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from recorder.evidence.encoding import b64u, compact_json, sha256_b64u, unb64u


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638 thumbprint of a P-256 key."""
    numbers = key.public_numbers()
    x, y = (b64u(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return sha256_b64u(compact_json({"crv": "P-256", "kty": "EC", "x": x, "y": y}))


def split(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, payload), not verified. Raises ValueError naming what is wrong."""
    pieces = text.split(".")
    if len(pieces) != 3:
        raise ValueError("not three parts")
    try:
        header, payload = (json.loads(unb64u(piece)) for piece in pieces[:2])
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not base64url JSON: {error}") from error
    if not isinstance(header, dict) or set(header) != {"alg", "kid", "typ"} or header["alg"] != "ES256":
        raise ValueError("header is not exactly alg=ES256, kid, typ")
    if not isinstance(payload, dict):
        raise ValueError("payload is not an object")
    return header, payload


def verify(text: str, key: ec.EllipticCurvePublicKey) -> None:
    """Raises ValueError when the signature is not ``key``'s."""
    message, _, encoded = text.rpartition(".")
    signature = unb64u(encoded)
    if len(signature) != 64:
        raise ValueError("signature is not 64 bytes")
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(der, message.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise ValueError("signature does not verify") from error
