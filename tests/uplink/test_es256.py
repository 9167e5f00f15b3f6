"""The uplink's own signature check against the one of the unit process and against ``cryptography``."""

from __future__ import annotations

import contextlib
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import jws
from recorder.evidence.encoding import b64u, unb64u
from recorder.evidence.signer import FileSigner
from recorder.uplink import es256
from recorder.uplink.es256 import StorePublicKey
from tests.uplink.pki import Pki

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


SIGNER = FileSigner(ec.derive_private_key(20191201, ec.SECP256R1()))
OTHER = FileSigner(ec.derive_private_key(7, ec.SECP256R1()))
KEY = StorePublicKey(pem(SIGNER.public_key()))
TEXT = jws.sign("receipt", {"jti": "x", "n": 5}, SIGNER)


def here(text: str, key: StorePublicKey = KEY) -> bool:
    try:
        es256.split(text)
        key.verify(text)
    except ValueError:
        return False
    return True


def there(text: str, signer: FileSigner = SIGNER) -> bool:
    try:
        jws.verify(text, signer.public_key())
    except jws.JwsError:
        return False
    return True


def test_a_good_one_passes_and_the_thumbprints_agree() -> None:
    assert here(TEXT)
    assert there(TEXT)
    assert KEY.kid == SIGNER.kid
    assert not here(TEXT, StorePublicKey(pem(OTHER.public_key())))


@given(st.dictionaries(st.text(), st.integers() | st.text()), st.integers(1, ORDER - 1))
@settings(max_examples=100, deadline=None)
def test_any_key_and_any_payload(payload: dict[str, object], secret: int) -> None:
    signer = FileSigner(ec.derive_private_key(secret, ec.SECP256R1()))
    key = StorePublicKey(pem(signer.public_key()))
    text = jws.sign("receipt", payload, signer)
    assert key.kid == signer.kid
    assert here(text, key)
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
    good = pem(SIGNER.public_key())
    for other in (
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        b"",
        b"rubbish",
        good.replace(b"PUBLIC", b"PRIVATE"),
        good[:60] + good[61:],
    ):
        with pytest.raises(ValueError, match=r"PEM|P-256|key"):
            StorePublicKey(other)


def test_a_point_off_the_curve_is_refused() -> None:
    der = bytearray(SIGNER.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    der[-1] ^= 1
    text = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "PUBLIC KEY")
    with pytest.raises(ValueError, match="public key"):
        StorePublicKey(text.encode())


def test_a_failed_check_leaves_nothing_in_the_error_queue_of_tls(pki: Pki) -> None:
    """Otherwise the next TLS read of this thread would report a healthy connection as broken."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(pki.server_cert, pki.server_key)
    client_context = ssl.create_default_context(cafile=str(pki.ca))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(down, up, server_hostname="localhost")
    server = server_context.wrap_bio(up, down, server_side=True)
    for side in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        client.read(1)
    assert not here(parts(ORDER, ORDER))
    with pytest.raises(ssl.SSLWantReadError):
        client.read(1)


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
