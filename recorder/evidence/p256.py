"""Keys on P-256 as this program uses them: sign and verify ES256 (RFC 7518 §3.4), read PEM, know their thumbprint.

For the unit process and the uplink, on :mod:`recorder.evidence.libcrypto`: ``cryptography`` and ``joserfc`` cost each of
them 10 MB resident. The verifier uses those two (:mod:`recorder.evidence.jose`), the agency's store ``cryptography``
(:mod:`recorder.evidence.es256`), so what is signed here is checked by other implementations; tests hold them together.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from recorder.evidence import libcrypto
from recorder.evidence.encoding import b64u, compact_json, sha256_b64u

SIGNATURE: Final = 64
"""Bytes: r and s, 32 each, big-endian."""

_SPKI: Final = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
"""DER of a SubjectPublicKeyInfo (RFC 5480) for id-ecPublicKey on prime256v1, up to the 65 bytes of the point."""

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]+)-----\s(.+?)-----END \1-----", re.DOTALL)


class PublicKey:
    """From its SubjectPublicKeyInfo in DER; only P-256 with an uncompressed point. Raises ValueError for anything else.
    Verification may be called from several threads."""

    def __init__(self, spki: bytes) -> None:
        point = spki.removeprefix(_SPKI)
        if len(point) != 65 or len(spki) != len(_SPKI) + 65 or point[0] != 4:
            raise ValueError("不是 P-256 公钥 not a P-256 public key")
        self._key = libcrypto.PublicKey(spki)
        self.spki = spki
        x, y = b64u(point[1:33]), b64u(point[33:])
        self.kid = sha256_b64u(compact_json({"crv": "P-256", "kty": "EC", "x": x, "y": y}))
        """RFC 7638 thumbprint."""

    @classmethod
    def from_pem(cls, pem: bytes) -> PublicKey:
        """The first ``PUBLIC KEY`` block. Raises ValueError."""
        for label, der in pem_blocks(pem):
            if label == "PUBLIC KEY":
                return cls(der)
        raise ValueError("没有 PEM 公钥 no PEM public key")

    @classmethod
    def of_certificate(cls, der: bytes) -> PublicKey:
        """The subject's key of an X.509 certificate, about which nothing else is looked at. Raises ValueError."""
        return cls(libcrypto.certificate_spki(der))

    def pem(self) -> bytes:
        """As :meth:`from_pem` reads it."""
        text = base64.b64encode(self.spki)
        lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        return b"-----BEGIN PUBLIC KEY-----\n" + lines + b"\n-----END PUBLIC KEY-----\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.spki == self.spki

    def __hash__(self) -> int:
        return hash(self.spki)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether ``signature`` (r‖s) is this key's over SHA-256 of ``message``."""
        return len(signature) == SIGNATURE and self._key.verify_sha256(_der(signature), message)


class PrivateKey:
    """From PEM: PKCS #8 or SEC 1, not encrypted. Raises ValueError when it is no P-256 private key."""

    def __init__(self, pem: bytes) -> None:
        keys = [der for label, der in pem_blocks(pem) if label in ("PRIVATE KEY", "EC PRIVATE KEY")]
        if len(keys) != 1:
            raise ValueError("没有 PEM 私钥，或者不止一个 no PEM private key, or more than one")
        self._key = libcrypto.PrivateKey(keys[0])
        self.public = PublicKey(self._key.spki())

    def sign(self, message: bytes) -> bytes:
        """r‖s, 64 bytes, over SHA-256 of ``message``. Raises CryptoError."""
        return _raw(self._key.sign_sha256(message))


def pem_blocks(text: bytes) -> list[tuple[str, bytes]]:
    """(label, DER) of every block of RFC 7468. Raises ValueError for one that is not base64."""
    try:
        return [
            (match[1].decode("ascii"), binascii.a2b_base64(b"".join(match[2].split()), strict_mode=True))
            for match in _PEM.finditer(text)
        ]
    except binascii.Error as error:
        raise ValueError(f"PEM: {error}") from error


def _der(signature: bytes) -> bytes:
    """r‖s as the DER SEQUENCE of two INTEGERs that libcrypto reads (RFC 3279 §2.2.3)."""
    body = b"".join(_integer(part) for part in (signature[:32], signature[32:]))
    return b"\x30" + bytes([len(body)]) + body


def _integer(value: bytes) -> bytes:
    short = value.lstrip(b"\x00") or b"\x00"
    if short[0] & 0x80:
        short = b"\x00" + short
    return b"\x02" + bytes([len(short)]) + short


def _raw(der: bytes) -> bytes:
    """The other way, for what libcrypto has made itself: two positive INTEGERs of 33 bytes at most in a short SEQUENCE."""
    length = der[3]
    r, s = der[4 : 4 + length], der[6 + length :]
    raw = b"".join(part.lstrip(b"\x00").rjust(32, b"\x00") for part in (r, s))
    if len(raw) != SIGNATURE or _der(raw) != der:
        raise libcrypto.CryptoError("libcrypto: ECDSA-Sig-Value")
    return raw
