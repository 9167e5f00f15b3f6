from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence.age import AgeError, generate_identity
from recorder.evidence.encoding import b64u, unb64u
from recorder.evidence.files import OsFiles
from recorder.evidence.personal import OfficerKey, PersonalError, load_officer_key, open_field, seal_field
from recorder.evidence.records import SealedField

AGENCY = generate_identity()
ESCROW = generate_identity()
OFFICER = {"name": "张三", "cert_no": "冀A-13010001"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(VALUES)
def test_either_recipient_opens_what_was_sealed(value: object) -> None:
    field = seal_field(value, [AGENCY.recipient, ESCROW.recipient])
    assert field.plain is None
    assert open_field(field, [ESCROW]) == value
    assert open_field(seal_field(value, []), []) == value


def test_nothing_of_the_value_shows() -> None:
    field = seal_field(OFFICER, [AGENCY.recipient])
    assert field.sealed is not None
    stored = unb64u(field.sealed)
    for text in ("张三", "13010001", "name", "cert_no"):
        assert text.encode() not in stored
        assert text not in field.model_dump_json()
        assert base64.b64encode(text.encode())[:-2] not in stored


def test_equal_values_look_different() -> None:
    first, second = (seal_field(OFFICER, [AGENCY.recipient]) for _ in range(2))
    assert first.digest != second.digest
    assert first.sealed != second.sealed


def test_a_field_that_does_not_match_its_digest_is_refused() -> None:
    one, other = (seal_field(OFFICER, [AGENCY.recipient]) for _ in range(2))
    swapped = SealedField(sealed=one.sealed, digest=other.digest)
    with pytest.raises(PersonalError, match="摘要"):
        open_field(swapped, [AGENCY])


def test_nobody_else_opens_it_and_broken_ones_are_named() -> None:
    field = seal_field(OFFICER, [AGENCY.recipient])
    with pytest.raises(AgeError, match="没有匹配的私钥"):
        open_field(field, [ESCROW])
    with pytest.raises(PersonalError, match="malformed"):
        open_field(SealedField(sealed="====", digest=field.digest), [AGENCY])
    with pytest.raises(PersonalError, match="empty"):
        open_field(SealedField(digest=field.digest), [AGENCY])
    bare = json.dumps(["no value"])
    digest = seal_field(1, []).digest
    with pytest.raises(PersonalError, match="digest"):
        open_field(SealedField(plain=bare, digest=digest), [])


def test_an_officer_ref_is_stable_within_a_unit_and_different_between_units() -> None:
    unit, other = OfficerKey(b"1" * 32), OfficerKey(b"2" * 32)
    ref = unit.ref("冀A-13010001")
    assert len(ref) == 43
    assert unit.ref(" 冀a-13010001 ") == ref, "width and case variants are one number"
    assert OfficerKey(b"1" * 32).ref("冀A-13010001") == ref
    assert unit.ref("冀A-13010002") != ref
    assert other.ref("冀A-13010001") != ref


def test_the_unit_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "officer-secret"
    first = load_officer_key(path, OsFiles()).ref("1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_officer_key(path, OsFiles()).ref("1") == first
    path.write_bytes(b"damaged")
    assert load_officer_key(path, OsFiles()).ref("1") != first
    assert path.stat().st_size == 32
    assert b64u(path.read_bytes()) not in first
