"""The published C2SP test vectors of age, as far as they apply: X25519 stanzas, headers, MACs and payload streams."""

from __future__ import annotations

import hashlib
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from recorder.evidence.age import AgeError, Identity, parse_identity
from recorder.evidence.age_header import HeaderError
from recorder.evidence.age_reader import AgeReader, HeaderMacError, NoIdentityMatch

VECTORS = sorted(path for path in Path(__file__).with_name("age_vectors").iterdir() if path.suffix != ".md")
LEAST = 50
"""A folder that lost its files must not pass for one in which all is well."""


@dataclass(frozen=True, slots=True)
class Vector:
    expect: str
    payload_sha256: str | None
    identities: list[Identity]
    body: bytes


def load(path: Path) -> Vector:
    head, _, body = path.read_bytes().partition(b"\n\n")
    fields: dict[str, list[str]] = {}
    for line in head.decode("utf-8").splitlines():
        key, _, value = line.partition(": ")
        fields.setdefault(key, []).append(value)
    if fields.get("compressed") == ["zlib"]:
        body = zlib.decompress(body)
    return Vector(
        expect=fields["expect"][0],
        payload_sha256=fields.get("payload", [None])[0],
        identities=[parse_identity(text) for text in fields.get("identity", [])],
        body=body,
    )


def outcome(vector: Vector) -> tuple[str, bytes]:
    """What our reader makes of it, in the words of the vectors, and the authentic plaintext before any failure."""
    try:
        reader = AgeReader(io.BytesIO(vector.body), vector.identities)
    except HeaderMacError:
        return "HMAC failure", b""
    except NoIdentityMatch:
        return "no match", b""
    except (HeaderError, AgeError):
        return "header failure", b""
    plain = b"".join(reader.chunks())
    assert reader.end is not None
    return ("success" if reader.end.state == "complete" else "payload failure"), plain


def test_the_vectors_are_here() -> None:
    assert len(VECTORS) >= LEAST


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.name)
def test_vector(path: Path) -> None:
    vector = load(path)
    result, plain = outcome(vector)
    if path.name == "stream_no_nonce" or path.name == "stream_short_nonce":
        # The vectors call a file cut inside its nonce a header failure; to us it is a torn file without a chunk.
        assert result == "payload failure"
        assert plain == b""
        return
    assert result == vector.expect
    if vector.payload_sha256 is not None:
        assert hashlib.sha256(plain).hexdigest() == vector.payload_sha256
