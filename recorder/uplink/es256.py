"""Check one compact JWS (RFC 7515) with ES256 and nothing else.

The same rules as :mod:`recorder.evidence.jws`, which the unit process and the verifier use; tests hold the two together.
A second implementation because the libraries behind that one cost this process 11 MB of the 40 it may have.
"""

from __future__ import annotations

import binascii
import json
import re
from typing import Any

from recorder.evidence.encoding import b64u, compact_json, sha256_b64u, unb64u
from recorder.evidence.libcrypto import PublicKey

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s(.+?)-----END PUBLIC KEY-----", re.DOTALL)

_P256_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""DER of a SubjectPublicKeyInfo (RFC 5480) for id-ecPublicKey on prime256v1, up to the 65 bytes of the point."""


class StorePublicKey:
    """A P-256 key from PEM (``BEGIN PUBLIC KEY``, uncompressed point). Raises ValueError for anything else."""

    def __init__(self, pem: bytes) -> None:
        match = _PEM.search(pem)
        if match is None:
            raise ValueError("没有 PEM 公钥 no PEM public key")
        try:
            spki = binascii.a2b_base64(match.group(1))
        except binascii.Error as error:
            raise ValueError(f"PEM: {error}") from error
        point = spki.removeprefix(_P256_SPKI)
        if len(point) != 65 or len(spki) != len(_P256_SPKI) + 65 or point[0] != 4:
            raise ValueError("不是 P-256 公钥 not a P-256 public key")
        self._key = PublicKey(spki)
        x, y = b64u(point[1:33]), b64u(point[33:])
        self.kid = sha256_b64u(compact_json({"crv": "P-256", "kty": "EC", "x": x, "y": y}))
        """RFC 7638 thumbprint."""

    def verify(self, text: str) -> None:
        """Raises ValueError when the JWS does not carry this key's signature."""
        message, _, encoded = text.rpartition(".")
        signature = unb64u(encoded)
        if len(signature) != 64:
            raise ValueError("signature is not 64 bytes")
        if not self._key.verify_sha256(_der(signature), message.encode("ascii")):
            raise ValueError("签名无效 signature does not verify")


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


def _der(signature: bytes) -> bytes:
    """r‖s (RFC 7518 §3.4) as the DER SEQUENCE of two INTEGERs that libcrypto reads."""
    body = b"".join(_integer(part) for part in (signature[:32], signature[32:]))
    return b"\x30" + bytes([len(body)]) + body


def _integer(value: bytes) -> bytes:
    short = value.lstrip(b"\x00") or b"\x00"
    if short[0] & 0x80:
        short = b"\x00" + short
    return b"\x02" + bytes([len(short)]) + short
