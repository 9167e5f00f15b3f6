from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.evidence import bech32


@pytest.mark.parametrize(
    "text",
    [
        "A12UEL5L",
        "a12uel5l",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
        "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw",
        "split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w",
        "?1ezyfcl",
    ],
)
def test_valid_strings_of_bip_173(text: str) -> None:
    prefix, data = _decode_groups(text)
    assert prefix == text.lower().rpartition("1")[0]
    assert isinstance(data, bytes)


def _decode_groups(text: str) -> tuple[str, bytes]:
    """BIP 173's examples carry any number of 5-bit groups; ours must be whole bytes, so only the checksum is judged."""
    try:
        return bech32.decode(text)
    except ValueError as error:
        assert "padding" in str(error), error
        return text.lower().rpartition("1")[0], b""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("pzry9x0s0muk", "prefix"),
        ("1pzry9x0s0muk", "prefix"),
        ("x1b4n0q5v", "alphabet"),
        ("li1dgmt3", "short"),
        ("A1G7SGD8", "checksum"),
        ("10a06t8", "prefix"),
        ("1qzzfhee", "prefix"),
        ("A12uEL5L", "mixed"),
        ("\x7f1axkwrx", "prefix"),
        ("\x201nwldj5", "prefix"),
    ],
)
def test_invalid_strings_of_bip_173(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        bech32.decode(text)


@given(st.binary(max_size=64))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert bech32.decode(bech32.encode("age", data)) == ("age", data)
    assert bech32.decode(bech32.encode("age", data).upper()) == ("age", data)


@given(st.binary(min_size=32, max_size=32), st.data())
def test_one_wrong_character_is_noticed(data: bytes, draw: st.DataObject) -> None:
    text = bech32.encode("age", data)
    place = draw.draw(st.integers(4, len(text) - 1))
    other = draw.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l").filter(lambda c: c != text[place]))
    with pytest.raises(ValueError, match="checksum"):
        bech32.decode(text[:place] + other + text[place + 1 :])


def test_padding_bits_must_be_zero() -> None:
    groups = [0, 1]  # one byte and two padding bits, one of them set
    check = bech32._polymod(bech32._expand("age") + groups + [0] * 6) ^ 1
    values = groups + [check >> 5 * (5 - index) & 31 for index in range(6)]
    with pytest.raises(ValueError, match="padding"):
        bech32.decode("age1" + "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[value] for value in values))
