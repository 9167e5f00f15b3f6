"""JWS compact (RFC 7515) with ES256 and nothing else: signing through a ``Signer``, strict verification.

The signing side builds the two base64url parts itself, because the key may live in a chip that only signs a digest.
The verifying side takes the algorithm from this file, never from the data. Here are the forms and rules; the arithmetic is
the key's (:mod:`recorder.evidence.p256`), and for the verifier joserfc's (:mod:`recorder.evidence.jose`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from recorder.evidence.encoding import b64u, compact_json, unb64u
from recorder.evidence.p256 import PublicKey

MAX_LINE = 1 << 20
"""No line is longer than 1 MiB: a bound for the verifier, which may be handed hostile input."""


class JwsError(ValueError):
    """The text is not a JWS of ours or its signature does not verify."""


class SignerRefused(Exception):
    """The key did not sign: a secure element that does not answer, say."""


class VerifyingKey(Protocol):
    """What checks a signature: :class:`recorder.evidence.p256.PublicKey`."""

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether r‖s is this key's ES256 signature over ``message``."""


class Signer(Protocol):
    """A P-256 key that signs. Back ends: file (development), later PKCS#11, TPM, SM2 beside it."""

    @property
    def kid(self) -> str:
        """RFC 7638 SHA-256 thumbprint of the public key, base64url."""

    @property
    def x5c(self) -> tuple[str, ...]:
        """Certificate chain, leaf first, standard base64 DER (RFC 7515 §4.1.6); empty before enrolment."""

    def public_key(self) -> PublicKey:
        """The key that verifies: a start checks its own journal with it."""

    def sign(self, message: bytes) -> bytes:
        """ES256 over ``message``: r‖s, 64 bytes."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A split, not yet verified JWS."""

    header: dict[str, Any]
    payload: dict[str, Any]

    @property
    def typ(self) -> str:
        return str(self.header["typ"])

    @property
    def kid(self) -> str:
        return str(self.header["kid"])


def sign(typ: str, payload: dict[str, Any], signer: Signer, *, with_chain: bool = False) -> str:
    """One compact JWS without line end. Header members: alg, kid, typ; ``with_chain``: x5c too (RFC 7515 §4.1.6). Raises
    SignerRefused for any error of the key's back end; they have errors of their own, and none of them may end a recording.
    """
    header: dict[str, Any] = {"alg": "ES256", "kid": signer.kid, "typ": typ}
    if with_chain:
        header["x5c"] = list(signer.x5c)
    message = f"{b64u(compact_json(header))}.{b64u(compact_json(payload))}"
    try:
        signature = signer.sign(message.encode("ascii"))
    except Exception as error:
        raise SignerRefused(f"{type(error).__name__}: {error}") from error
    return f"{message}.{b64u(signature)}"


_MEMBERS = frozenset({"alg", "kid", "typ"})
_SHORT = 256
"""Characters. Ours have some 130."""


@lru_cache(maxsize=64)
def _members(part: str) -> tuple[tuple[str, Any], ...] | None:
    """Of a header that is an object. A journal has one for each type of record and key, line after line. Raises ValueError,
    RecursionError, which are not remembered."""
    header = json.loads(unb64u(part))
    return tuple(header.items()) if isinstance(header, dict) else None


def _header(part: str) -> dict[str, Any] | None:
    """A new object each time. Only short ones are remembered: the text may be anybody's."""
    members = _members(part) if len(part) <= _SHORT else _members.__wrapped__(part)
    return None if members is None else dict(members)


def split(text: str, *, with_chain: bool = False) -> Parts:
    """Parse without verifying; ``with_chain``: the header has x5c too, as yet unlooked at. Raises JwsError naming what is
    wrong."""
    members = _MEMBERS | {"x5c"} if with_chain else _MEMBERS
    if len(text) > MAX_LINE:
        raise JwsError(f"longer than {MAX_LINE} bytes")
    pieces = text.split(".")
    if len(pieces) != 3:
        raise JwsError("not three parts")
    try:
        header = _header(pieces[0])
        payload = json.loads(unb64u(pieces[1]))
        signature = unb64u(pieces[2])
    except (ValueError, RecursionError) as error:
        raise JwsError(f"not base64url JSON: {error}") from error
    if header is None or set(header) != members or header["alg"] != "ES256":
        raise JwsError(f"header is not exactly alg=ES256, {', '.join(sorted(members - {'alg'}))}")
    if not isinstance(header["kid"], str) or not isinstance(header["typ"], str):
        raise JwsError("kid and typ must be text")
    if not isinstance(payload, dict):
        raise JwsError("payload is not an object")
    if len(signature) != 64:
        raise JwsError("signature is not 64 bytes")
    return Parts(header, payload)


def verify(text: str, key: VerifyingKey) -> Parts:
    """Split and verify with ES256 and ``key``. Raises JwsError."""
    return check(text, split(text), key)


def check(text: str, parts: Parts, key: VerifyingKey) -> Parts:
    """Verify an already split line. Raises JwsError."""
    message, _, signature = text.rpartition(".")
    if not key.verify(unb64u(signature), message.encode("ascii")):
        raise JwsError("signature does not verify")
    return parts
