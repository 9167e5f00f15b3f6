from __future__ import annotations

import base64
import binascii
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence.encoding import b64u, compact_json, sha256_b64u, unb64u


@given(st.binary(max_size=100))
def test_base64url_round_trip(data: bytes) -> None:
    text = b64u(data)
    assert "=" not in text
    assert unb64u(text) == data


@pytest.mark.parametrize("text", ["A", "AB", "AA==", "A A", "AA\n", "A+/A", "é"])
def test_what_is_not_canonical_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        unb64u(text)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", max_size=9))
def test_there_is_one_text_for_each_data_and_no_other_is_taken(text: str) -> None:
    try:
        data = unb64u(text)
    except ValueError:
        with contextlib.suppress(binascii.Error):
            assert b64u(base64.b64decode(text + "===", "-_")) != text
    else:
        assert b64u(data) == text


def test_sha256_of_the_empty_string() -> None:
    assert sha256_b64u(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


def test_json_is_compact_keeps_its_order_and_refuses_nan() -> None:
    assert compact_json({"b": 1, "a": "执法"}) == '{"b":1,"a":"执法"}'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact_json(float("nan"))
