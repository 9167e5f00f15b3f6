"""One journal line, verified by others: joserfc, ``openssl`` and plain ``cryptography``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import ECKey

from recorder.evidence import jws
from recorder.evidence.encoding import b64u, compact_json, unb64u
from recorder.evidence.jws import JwsError
from tests.evidence.kit import other_signer, signer
from tests.support import require_program

PAYLOAD: dict[str, Any] = {"seq": 7, "detail": "执法记录"}
LINE = jws.sign("event", PAYLOAD, signer())


def pem() -> bytes:
    return signer().public_key().pem()


def test_joserfc_verifies_a_line() -> None:
    result = jose.deserialize_compact(LINE, ECKey.import_key(pem()), algorithms=["ES256"])
    assert json.loads(result.payload) == PAYLOAD
    assert result.headers() == {"alg": "ES256", "kid": signer().kid, "typ": "event"}


def test_openssl_verifies_a_line(tmp_path: Path) -> None:
    """As docs/formats.md shows it: r‖s becomes DER, the signed bytes are the first two parts with their point."""
    openssl = require_program("openssl")
    signed, _, signature = LINE.rpartition(".")
    raw = unb64u(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    for name, data in (("key.pem", pem()), ("signature.der", der), ("signed", signed.encode("ascii"))):
        (tmp_path / name).write_bytes(data)
    command = [openssl, "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature.der", "signed"]
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout.strip()) == (0, "Verified OK")
    (tmp_path / "signed").write_bytes(signed.encode("ascii") + b"x")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_the_kid_is_joserfcs_thumbprint() -> None:
    assert ECKey.import_key(pem()).thumbprint() == signer().kid


def test_another_key_does_not_verify() -> None:
    with pytest.raises(JwsError, match="does not verify"):
        jws.verify(LINE, other_signer().public_key())


@given(st.integers(0, len(LINE) - 1), st.sampled_from("ABCxyz019-_."))
def test_any_changed_character_is_noticed(place: int, character: str) -> None:
    if LINE[place] == character:
        return
    with pytest.raises(JwsError):
        jws.verify(LINE[:place] + character + LINE[place + 1 :], signer().public_key())


def line(header: object, payload: object = PAYLOAD, signature: bytes = bytes(64)) -> str:
    return f"{b64u(compact_json(header))}.{b64u(compact_json(payload))}.{b64u(signature)}"


HEADER = {"alg": "ES256", "kid": "k", "typ": "event"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "three parts"),
        ("a.b", "three parts"),
        (LINE + ".x", "three parts"),
        (LINE + "=", "base64url"),
        (line({**HEADER, "alg": "none"}), "alg=ES256"),
        (line({**HEADER, "alg": "HS256"}), "alg=ES256"),
        (line({**HEADER, "crit": ["b64"]}), "exactly"),
        (line({"alg": "ES256", "typ": "event"}), "exactly"),
        (line({**HEADER, "kid": 1}), "text"),
        (line([]), "exactly"),
        (line(HEADER, []), "object"),
        (line(HEADER, PAYLOAD, bytes(63)), "64 bytes"),
        ("A" * (jws.MAX_LINE + 1), "longer"),
        (f"{b64u(b'[' * 5000)}.e30.{b64u(bytes(64))}", "JSON"),
    ],
)
def test_hostile_text_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(JwsError, match=why):
        jws.split(text)


def test_a_line_may_be_as_long_as_the_format_allows() -> None:
    text = jws.sign("receipt", {"segments": ["x" * 64] * 5000}, signer())
    assert 300_000 < len(text) < jws.MAX_LINE
    assert jws.verify(text, signer().public_key()).typ == "receipt"


def test_what_is_done_to_one_header_is_not_seen_in_the_next() -> None:
    """Headers repeat, line after line, and are remembered."""
    first = jws.split(LINE)
    first.header["kid"] = "another"
    assert jws.split(LINE).kid == signer().kid
