"""The bound primitives against the RFCs' vectors and against the library the readers use."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.age import hkdf
from recorder.evidence.libcrypto import ChaCha20Poly1305, X25519PrivateKey

KEY = st.binary(min_size=32, max_size=32)

LOW_ORDER = (
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
)
"""From https://cr.yp.to/ecdh.html#validate."""


def test_key_agreement_of_rfc_7748() -> None:
    """Section 6.1."""
    alice = X25519PrivateKey(bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"))
    bob = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    assert alice.public().hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert alice.exchange(bob).hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"


@given(KEY, KEY)
def test_key_agreement_as_the_other_library_does_it(secret: bytes, peer_secret: bytes) -> None:
    peer = x25519.X25519PrivateKey.from_private_bytes(peer_secret)
    ours = X25519PrivateKey(secret)
    assert ours.exchange(peer.public_key().public_bytes_raw()) == peer.exchange(
        x25519.X25519PublicKey.from_public_bytes(ours.public())
    )


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_point_of_low_order_is_refused(point: str) -> None:
    with pytest.raises(ValueError, match="low order"):
        X25519PrivateKey(os.urandom(32)).exchange(bytes.fromhex(point))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_a_wrong_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32"):
        X25519PrivateKey(bytes(size))
    with pytest.raises(ValueError, match="32"):
        X25519PrivateKey(bytes(32)).exchange(bytes(size))
    with pytest.raises(ValueError, match="32"):
        ChaCha20Poly1305(bytes(size))
    with pytest.raises(ValueError, match="12"):
        ChaCha20Poly1305(bytes(32)).encrypt(bytes(size), b"")


@given(KEY, st.lists(st.tuples(st.binary(min_size=12, max_size=12), st.binary(max_size=300)), min_size=1, max_size=4))
def test_one_key_seals_many_chunks_as_the_other_library_does(key: bytes, chunks: list[tuple[bytes, bytes]]) -> None:
    ours, theirs = ChaCha20Poly1305(key), aead.ChaCha20Poly1305(key)
    for nonce, plain in chunks:
        assert ours.encrypt(nonce, plain) == theirs.encrypt(nonce, plain, None)


@given(KEY, st.binary(max_size=200), st.integers(0, 220), st.integers(0, 220), st.integers(0, 60))
def test_a_part_is_sealed_into_its_place_and_nothing_else_is_touched(
    key: bytes, data: bytes, start: int, size: int, place: int
) -> None:
    out = bytearray(b"\xee" * 260)
    if start + size > len(data) or place + size + 16 > len(out):
        with pytest.raises(ValueError, match="bytes"):
            ChaCha20Poly1305(key).encrypt_into(bytes(12), data, start, size, out, place)
        assert out == b"\xee" * 260
        return
    ChaCha20Poly1305(key).encrypt_into(bytes(12), data, start, size, out, place)
    sealed = aead.ChaCha20Poly1305(key).encrypt(bytes(12), data[start : start + size], None)
    assert out == b"\xee" * place + sealed + b"\xee" * (260 - place - len(sealed))
    out.clear()  # nothing holds on to it


@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_sealed(form: type) -> None:
    plain = os.urandom(65536)
    sealed = ChaCha20Poly1305(bytes(32)).encrypt(bytes(12), form(plain))
    assert aead.ChaCha20Poly1305(bytes(32)).decrypt(bytes(12), sealed, None) == plain


@given(st.binary(max_size=64), st.binary(max_size=80), st.binary(max_size=40))
def test_hkdf_as_the_other_library_does_it(key: bytes, salt: bytes, info: bytes) -> None:
    assert hkdf(key, salt, info) == HKDF(hashes.SHA256(), 32, salt, info).derive(key)
