"""The few encodings the evidence formats use: base64url without padding (RFC 7515), SHA-256, compact JSON."""

from __future__ import annotations

import binascii
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

_B64URL = re.compile(r"[A-Za-z0-9_-]*")
_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_LAST: dict[int, str] = {2: "AQgw", 3: "AEIMQUYcgkosw048"}
"""By the characters behind the last whole four: what the last one can be when the bits it does not need are zero
(RFC 4648 §3.5)."""

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def b64u(data: bytes) -> str:
    """base64url without padding."""
    return binascii.b2a_base64(data, newline=False).rstrip(b"=").translate(_TO_URL).decode("ascii")


def unb64u(text: str) -> bytes:
    """Strict inverse of :func:`b64u`: padding, white space or a non-canonical last character raise ValueError."""
    rest = len(text) % 4
    if rest == 1 or not _B64URL.fullmatch(text):
        raise ValueError("not base64url without padding")
    if rest and text[-1] not in _LAST[rest]:
        raise ValueError("base64url text is not canonical")
    return binascii.a2b_base64(text.encode("ascii").translate(_FROM_URL) + b"=" * (-rest % 4))


def sha256_b64u(data: bytes | memoryview) -> str:
    """SHA-256 of ``data`` as base64url: the form every digest in the journal has."""
    return b64u(hashlib.sha256(data).digest())


def sha256_of_digests(digests: Iterable[str]) -> str:
    """SHA-256 over the raw 32 bytes of each digest, one behind the other: one digest for a run of entries. Raises
    ValueError for a text that is no digest."""
    return sha256_b64u(b"".join(unb64u(digest) for digest in digests))


def compact_json(value: Any) -> bytes:
    """UTF-8 JSON without white space, keys in insertion order. Signed bytes are kept, never re-serialised, so no
    canonical form is needed (RFC 8785 would only add attack surface)."""
    return _JSON.encode(value).encode("utf-8")
