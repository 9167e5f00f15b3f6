"""The few encodings the evidence formats use: base64url without padding (RFC 7515), SHA-256, compact JSON."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any

_B64URL = re.compile(r"^[A-Za-z0-9_-]*$")


def b64u(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64u(text: str) -> bytes:
    """Strict inverse of :func:`b64u`: padding, white space or a non-canonical last character raise ValueError."""
    if not _B64URL.match(text):
        raise ValueError("not base64url without padding")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url without padding") from error
    if b64u(data) != text:
        raise ValueError("base64url text is not canonical")
    return data


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
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")
