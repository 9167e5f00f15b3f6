"""ES256 on libcrypto against joserfc and ``cryptography``: what one signs the others accept, and all refuse the same."""

from __future__ import annotations

import ssl
import threading
import warnings
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.utils import CryptographyDeprecationWarning
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_sim.agency.certificates import as_cryptography, file_signer, make_ca
from recorder.evidence import jose, jws
from recorder.evidence.encoding import b64u, unb64u
from recorder.evidence.es256 import Es256Key
from recorder.evidence.p256 import PrivateKey, PublicKey

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


SIGNER = file_signer(ec.derive_private_key(20191201, ec.SECP256R1()))
OTHER = file_signer(ec.derive_private_key(7, ec.SECP256R1()))
KEY = SIGNER.public_key()
TEXT = jws.sign("receipt", {"jti": "x", "n": 5}, SIGNER)


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def compressed() -> bytes:
    """The same key with its point compressed: legal, and not what anybody here writes."""
    point = as_cryptography(KEY).public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    return ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "PUBLIC KEY").encode()


def here(text: str, key: PublicKey = KEY) -> bool:
    try:
        jws.verify(text, key)
    except jws.JwsError:
        return False
    return True


def there(text: str, key: PublicKey = KEY) -> bool:
    """The verifier's way, and the store's, which is to be the same."""
    try:
        jose.verify(text, as_cryptography(key))
    except jws.JwsError:
        assert not at_the_store(text, key)
        return False
    assert at_the_store(text, key)
    return True


def at_the_store(text: str, key: PublicKey) -> bool:
    try:
        jws.verify(text, Es256Key(as_cryptography(key)))
    except jws.JwsError:
        return False
    return True


def test_a_good_one_passes_and_the_thumbprints_agree() -> None:
    assert here(TEXT)
    assert there(TEXT)
    assert KEY.kid == SIGNER.kid
    assert KEY.kid == jose.thumbprint(as_cryptography(KEY))
    assert not here(TEXT, OTHER.public_key())


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.integers(1, ORDER - 1))
@settings(max_examples=100, deadline=None)
def test_any_key_and_any_payload(payload: dict[str, object], secret: int) -> None:
    signer = file_signer(ec.derive_private_key(secret, ec.SECP256R1()))
    key = signer.public_key()
    text = jws.sign("receipt", payload, signer)
    assert key.kid == signer.kid == jose.thumbprint(as_cryptography(key))
    assert here(text, key) and there(text, key)
    assert not here(text)


@given(st.integers(0, len(TEXT) - 1), st.sampled_from("ABab01-_.=+ \n"))
@settings(max_examples=300, deadline=None)
def test_any_changed_character_is_seen_by_both(position: int, character: str) -> None:
    changed = TEXT[:position] + character + TEXT[position + 1 :]
    assert here(changed) == there(changed) == (changed == TEXT)


def parts(r: int, s: int) -> str:
    message = TEXT.rpartition(".")[0]
    return f"{message}.{b64u(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


SIGNATURE = unb64u(TEXT.rpartition(".")[2])
R, S = int.from_bytes(SIGNATURE[:32], "big"), int.from_bytes(SIGNATURE[32:], "big")


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, 0), (0, S), (R, 0), (1, 1), (ORDER, S), (R, ORDER), (ORDER - 1, ORDER - 1), (2**256 - 1, 2**256 - 1), (S, R)],
    ids=[
        "0-0",
        "0-s",
        "r-0",
        "1-1",
        "n-s",
        "r-n",
        "n-1",
        "all-ones",
        "changed-about",
    ],  # the key is a new one each time
)
def test_degenerate_signatures_fail_in_both(r: int, s: int) -> None:
    assert not here(parts(r, s))
    assert not there(parts(r, s))


def test_the_other_s_is_what_both_say_it_is() -> None:
    """(r, n - s) verifies in ECDSA as such; the two implementations must not differ over it."""
    assert here(parts(R, ORDER - S)) == there(parts(R, ORDER - S))


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_fails(length: int) -> None:
    message = TEXT.rpartition(".")[0]
    assert not here(f"{message}.{b64u((SIGNATURE * 2)[:length])}")


def test_only_an_uncompressed_p256_key_is_a_key() -> None:
    good = KEY.pem()
    for other in (
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(ed25519.Ed25519PrivateKey.generate()),
        compressed(),
        b"",
        b"rubbish",
        good.replace(b"PUBLIC", b"PRIVATE"),
        good[:60] + good[61:],
    ):
        with pytest.raises(ValueError, match=r"PEM|P-256|key"):
            PublicKey.from_pem(other)


def test_a_point_off_the_curve_is_refused() -> None:
    der = bytearray(KEY.spki)
    der[-1] ^= 1
    text = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "PUBLIC KEY")
    with pytest.raises(ValueError, match="public key"):
        PublicKey.from_pem(text.encode())


def test_several_threads_at_once() -> None:
    wrong: list[str] = []

    def work(number: int) -> None:
        for round_number in range(100):
            text = parts(R, S) if (number + round_number) % 2 else parts(S, R)
            if here(text) is not bool((number + round_number) % 2):
                wrong.append(text)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


# --- private keys -----------------------------------------------------------------------------------------------------

SECRET = ec.derive_private_key(20191201, ec.SECP256R1())


def private_pem(form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    return SECRET.private_bytes(Encoding.PEM, form, NoEncryption())


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_is_the_same_in_either_form(form: PrivateFormat) -> None:
    assert PrivateKey(private_pem(form)).public == KEY
    assert PrivateKey(b"some text\n" + private_pem(form) + b"more\n").public == KEY


@given(st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_whatever_is_signed_the_other_library_accepts(message: bytes) -> None:
    signature = PrivateKey(private_pem()).sign(message)
    assert len(signature) == 64
    der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    SECRET.public_key().verify(der, message, ec.ECDSA(hashes.SHA256()))
    assert KEY.verify(signature, message) and not KEY.verify(signature, message + b"x")


def test_short_numbers_keep_their_place() -> None:
    """One signature in 128 has an r or an s of fewer than 32 bytes: sign until each has been seen."""
    key, seen = PrivateKey(private_pem()), set()
    for number in range(20_000):
        signature = key.sign(b"%d" % number)
        short = [half for half, first in (("r", signature[0]), ("s", signature[32])) if first == 0]
        if short:
            assert KEY.verify(signature, b"%d" % number)
            seen.update(short)
        if seen == {"r", "s"}:
            return
    pytest.fail(f"only {seen}")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"rubbish",
        KEY.pem(),
        SECRET.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
        SECRET.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")),
        ec.generate_private_key(ec.SECP384R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        private_pem() * 2,
        private_pem().replace(b"-----\n", b"-----\nA", 1),
    ],
    ids=["empty", "rubbish", "public", "encrypted", "encrypted-sec1", "p384", "ed25519", "two", "broken"],
)
def test_anything_else_is_no_private_key(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"PEM|P-256|key"):
        PrivateKey(text)


# --- certificates -----------------------------------------------------------------------------------------------------


def certificate(key: ec.EllipticCurvePrivateKey = SECRET) -> bytes:
    return make_ca(key, "CA", datetime(2026, 1, 1, tzinfo=UTC)).public_bytes(Encoding.DER)


def test_the_key_of_a_certificate() -> None:
    assert PublicKey.of_certificate(certificate()) == KEY


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_a_damaged_certificate_never_gives_another_key_than_the_other_library(place: int, patch: bytes) -> None:
    """The other one is stricter about what else stands there, which here nobody looks at."""
    der = bytearray(certificate())
    place %= len(der)
    der[place : place + len(patch)] = patch
    try:
        ours = PublicKey.of_certificate(bytes(der))
        with warnings.catch_warnings(action="ignore", category=CryptographyDeprecationWarning):
            theirs = x509.load_der_x509_certificate(bytes(der)).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return
    assert isinstance(theirs, ec.EllipticCurvePublicKey) and as_cryptography(ours) == theirs


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 20), slice(0, -1)])
def test_half_a_certificate_or_more_than_one_is_none(cut: slice) -> None:
    for der in (certificate()[cut], certificate() + b"x", certificate() * 2):
        with pytest.raises(ValueError, match="certificate"):
            PublicKey.of_certificate(der)


def test_a_certificate_with_another_kind_of_key_has_none_of_ours() -> None:
    with pytest.raises(ValueError, match="P-256"):
        PublicKey.of_certificate(certificate(ec.generate_private_key(ec.SECP384R1())))


def test_the_stores_key_is_on_p256_and_reads_64_bytes() -> None:
    with pytest.raises(ValueError, match="P-256"):
        Es256Key(ec.derive_private_key(7, ec.SECP384R1()).public_key())
    key = Es256Key(as_cryptography(KEY))
    message, _, signature = TEXT.rpartition(".")
    raw = unb64u(signature)
    assert key.verify(raw, message.encode())
    assert not key.verify(raw + b"\0", message.encode())
    assert not key.verify(bytes(64), message.encode())
