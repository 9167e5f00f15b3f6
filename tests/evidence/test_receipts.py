"""A receipt permits deletion, so everything about it that can be wrong is tried."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.evidence import jws
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.receipts import (
    DAY_S,
    Believed,
    LockPolicy,
    OwnSegment,
    ReceiptCheck,
    Refused,
    StoreKeyError,
    load_store_key,
)
from recorder.evidence.signer import FileSigner
from tests.evidence.kit import counting_ids, other_signer, signer

STORE = other_signer()
IDS = counting_ids(3)
JOURNAL, SEGMENT, SESSION, OTHER = IDS(), IDS(), IDS(), IDS()
HEAD = sha256_b64u(b"our line 41")
STORED = sha256_b64u(b"stored file")
NOW = 1_700_000_000.0


def receipt(**changes: Any) -> dict[str, Any]:
    segment = {
        "segment_id": SEGMENT,
        "session_id": SESSION,
        "sha256": STORED,
        "size": 12345,
        "object": "units/zfy-000001/x",
        "version": "1",
        "lock_mode": "compliance",
        "retain_until": NOW + 200 * DAY_S,
        "stored_at": NOW,
        **changes.pop("segment", {}),
    }
    return {
        "ver": 1,
        "iss": "store",
        "iat": NOW,
        "jti": IDS(),
        "unit_id": "zfy-000001",
        "device_kid": signer().kid,
        "journal_id": JOURNAL,
        "head_seq": 41,
        "head_digest": HEAD,
        "segments": [segment],
        "tst": None,
        **changes,
    }


def digest_of(seq: int) -> str | None:
    return {41: HEAD}.get(seq)


def own(segment_id: str) -> OwnSegment | None:
    return {SEGMENT: OwnSegment(STORED, 12345)}.get(segment_id)


def lost(_first: int, _last: int) -> tuple[int, int] | None:
    return None


def check(text: str, policy: LockPolicy | None = None) -> Believed | Refused:
    judge = ReceiptCheck(STORE.public_key(), "zfy-000001", {signer().kid}, JOURNAL, policy)
    return judge.verify(text, digest_of, own, lost)


def signed(payload: dict[str, Any], key: FileSigner = STORE, typ: str = "receipt") -> str:
    return jws.sign(typ, payload, key)


def test_a_true_receipt_is_believed() -> None:
    payload = receipt()
    text = signed(payload)
    verdict = check(text)
    assert isinstance(verdict, Believed)
    assert verdict.receipt.jti == payload["jti"]
    assert verdict.receipt_digest == sha256_b64u(text.encode())


def test_a_receipt_for_heads_only_is_believed() -> None:
    assert isinstance(check(signed(receipt(segments=[]))), Believed)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"unit_id": "zfy-000002"}, "receipt-other-unit"),
        ({"device_kid": "x" * 43}, "receipt-other-key"),
        ({"journal_id": OTHER}, "receipt-other-journal"),
        ({"head_seq": 42}, "receipt-head-unknown"),
        ({"head_digest": sha256_b64u(b"another line 41")}, "receipt-head-differs"),
        ({"segment": {"segment_id": OTHER}}, "receipt-segment-unknown"),
        ({"segment": {"sha256": HEAD}}, "receipt-segment-differs"),
        ({"segment": {"size": 12344}}, "receipt-segment-differs"),
        ({"segment": {"lock_mode": "none"}}, "receipt-not-locked"),
        ({"segment": {"retain_until": NOW + 100 * DAY_S}}, "receipt-lock-short"),
        ({"gaps": [[3, 41]]}, "receipt-gap-form"),
        ({"gaps": [[50, 60]]}, "receipt-gap-form"),
        ({"gaps": [[9, 8]]}, "receipt-gap-form"),
        ({"gaps": [[3, 4], [9, 8]]}, "receipt-gap-form"),
        ({"gaps": [[-1, 3]]}, "receipt-form"),
        ({"gaps": [[1, 2, 3]]}, "receipt-form"),
        ({"ver": 2}, "receipt-form"),
        ({"head_seq": -1}, "receipt-form"),
        ({"extra": 1}, "receipt-form"),
        ({"segment": {"size": "12345x"}}, "receipt-form"),
    ],
)
def test_a_receipt_wrong_in_one_thing_is_refused_by_name(changes: dict[str, Any], code: str) -> None:
    verdict = check(signed(receipt(**changes)), LockPolicy(min_days=180))
    assert isinstance(verdict, Refused)
    assert verdict.code == code
    assert verdict.zh
    assert verdict.en


LINE = st.integers(0, 40)


@settings(max_examples=200)
@given(
    gaps=st.lists(st.tuples(LINE, LINE), max_size=5),
    here=st.sets(LINE),
    lines=st.tuples(LINE, LINE).map(lambda pair: (min(pair), max(pair))),
)
def test_no_gap_is_taken_for_lost_of_which_a_line_is_here(
    gaps: list[tuple[int, int]], here: set[int], lines: tuple[int, int]
) -> None:
    """Whatever it says is missing: refused for its form, or each gap as our own journal knows it; and it touches just the
    ranges it has a line in common with."""

    def held(first: int, last: int) -> tuple[int, int] | None:
        found = sorted(here & set(range(first, last + 1)))
        return (found[0], found[0]) if found else None

    judge = ReceiptCheck(STORE.public_key(), "zfy-000001", {signer().kid}, JOURNAL)
    verdict = judge.verify(signed(receipt(gaps=[list(gap) for gap in gaps])), digest_of, own, held)
    if any(first > last for first, last in gaps):
        assert isinstance(verdict, Refused)
        return
    assert isinstance(verdict, Believed)
    assert [(gap.first, gap.last) for gap in verdict.gaps] == gaps
    for gap in verdict.gaps:
        taken = set(range(gap.first, gap.last + 1))
        assert (gap.held is None) == (not taken & here)
        assert gap.touches(*lines) == bool(taken & set(range(lines[0], lines[1] + 1)))


def test_one_wrong_segment_refuses_the_whole_receipt() -> None:
    payload = receipt()
    payload["segments"].append({**payload["segments"][0], "size": 1})
    verdict = check(signed(payload))
    assert isinstance(verdict, Refused)


def test_without_a_lock_policy_an_unlocked_object_may_do() -> None:
    text = signed(receipt(segment={"lock_mode": "none", "retain_until": NOW}))
    assert isinstance(check(text, LockPolicy(require_lock=False)), Believed)


def test_forgeries_are_refused() -> None:
    payload = receipt()
    true = signed(payload)
    codes = {
        "by the unit itself": check(signed(payload, signer())),
        "another record of the store": check(signed(payload, typ="head")),
        "altered": check(_altered(true)),
        "not a JWS": check("nonsense"),
        "not ASCII": check("é.é.é"),
    }
    assert {name: verdict.code for name, verdict in codes.items() if isinstance(verdict, Refused)} == {
        "by the unit itself": "receipt-key",
        "another record of the store": "receipt-type",
        "altered": "receipt-signature",
        "not a JWS": "receipt-malformed",
        "not ASCII": "receipt-malformed",
    }


def _altered(text: str) -> str:
    """The signature of one receipt under the words of another."""
    head, _, signature = text.rpartition(".")
    other, _, _ = signed(receipt()).rpartition(".")
    assert head != other
    return f"{other}.{signature}"


def test_a_replayed_receipt_is_named() -> None:
    payload = receipt()
    judge = ReceiptCheck(STORE.public_key(), "zfy-000001", {signer().kid}, JOURNAL)
    verdict = judge.verify(signed(payload), digest_of, own, lost, believed=lambda jti: jti == payload["jti"])
    assert isinstance(verdict, Refused)
    assert verdict.code == "receipt-replayed"


def test_the_pinned_key_must_be_p256_spki() -> None:
    assert load_store_key(STORE.public_key().pem(), "store-key.pem") == STORE.public_key()
    with pytest.raises(StoreKeyError, match=r"store-key\.pem"):
        load_store_key(b"nonsense", "store-key.pem")
    ed25519 = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(StoreKeyError, match="P-256"):
        load_store_key(ed25519, "store-key.pem")
