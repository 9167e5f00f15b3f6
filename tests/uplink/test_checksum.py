from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.encoding import sha256_b64u
from recorder.uplink.checksum import READ_PER_GAINED, repr_digest, upload_checksum, worth_reading_twice

HELLO = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="


def test_the_headers_have_the_form_of_their_standards() -> None:
    assert upload_checksum(hashlib.sha256(b"hello").digest()) == f"sha256 {HELLO}"
    assert repr_digest(sha256_b64u(b"hello")) == f"sha-256=:{HELLO}:"
    with pytest.raises(ValueError, match="base64url"):
        repr_digest("not/a+digest=")


@given(st.integers(1, 10**6), st.lists(st.integers(1, 10**5), max_size=60))
def test_reading_twice_stays_a_small_multiple_of_what_arrives(size: int, gains: list[int]) -> None:
    """After each break what has been read only to know its digest is bounded by what arrived."""
    offset, read = 0, 0
    for gained in gains:
        if offset + gained >= size:
            break
        offset += gained
        if worth_reading_twice(size - offset, gained):
            read += size - offset
        assert read <= READ_PER_GAINED * offset
    assert worth_reading_twice(size, None)
