"""Which assignments the unit believes: every way of being wrong has its own name, and none names an officer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.agency.certificates import file_signer
from recorder.evidence import jws
from recorder.evidence.assignments import (
    MAX_TEXT,
    SKEW_S,
    TYP,
    Assignment,
    AssignmentCheck,
    Refused,
    Repeated,
    claims_to_be_one,
)
from recorder.evidence.signer import FileSigner

AGENCY, STRANGER = (file_signer(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
JTI = "11111111-1111-4111-8111-111111111111"
NOW = 1_800_000_000.0
DAY = 86_400.0
CHECK = AssignmentCheck(AGENCY.public_key(), "zfy-1", 7 * DAY)


def made(signer: FileSigner = AGENCY, typ: str = TYP, **changes: Any) -> str:
    payload: dict[str, Any] = {
        "ver": 1,
        "jti": JTI,
        "unit_id": "zfy-1",
        "iat": NOW,
        "exp": NOW + DAY,
        "name": "欧阳建国",
        "cert_no": "13010077665544",
    }
    return jws.sign(typ, payload | changes, signer)


def verdict(text: str, *, used: tuple[str, ...] = (), signed_in: tuple[str, ...] = (), wall_s: float = NOW) -> Any:
    return CHECK.verify(text, used, signed_in, wall_s, True)


def test_a_good_one_is_believed() -> None:
    believed = verdict(made())
    assert isinstance(believed, Assignment)
    assert (believed.name, believed.cert_no, believed.jti) == ("欧阳建国", "13010077665544", JTI)


@pytest.mark.parametrize(
    ("code", "text", "wall_s"),
    [
        ("assignment-signature", lambda: made(STRANGER), NOW),
        ("assignment-signature", lambda: made()[:-4] + "AAAA", NOW),
        ("assignment-signature", lambda: "not.a.jws", NOW),
        ("assignment-type", lambda: made(typ="receipt"), NOW),
        ("assignment-malformed", lambda: "x" * (MAX_TEXT + 1), NOW),
        ("assignment-form", lambda: made(name=""), NOW),
        ("assignment-form", lambda: made(name="很" * 65), NOW),
        ("assignment-form", lambda: made(extra=1), NOW),
        ("assignment-form", lambda: made(exp="soon"), NOW),
        ("assignment-unit", lambda: made(unit_id="zfy-2"), NOW),
        ("assignment-term", lambda: made(exp=NOW + 8 * DAY), NOW),
        ("assignment-term", lambda: made(exp=NOW), NOW),
        ("assignment-expired", lambda: made(), NOW + DAY),
        ("assignment-early", lambda: made(), NOW - SKEW_S - 1),
    ],
)
def test_each_fault_has_its_name(code: str, text: Callable[[], str], wall_s: float) -> None:
    refused = verdict(text(), wall_s=wall_s)
    assert isinstance(refused, Refused) and refused.code == code
    for said in (refused.zh, refused.en):
        assert said and "欧阳" not in said and "1301007" not in said


def test_a_clock_that_lags_a_little_does_not_matter() -> None:
    assert isinstance(verdict(made(), wall_s=NOW - SKEW_S), Assignment)


def test_without_a_clock_or_a_key_nothing_is_believed() -> None:
    no_clock = CHECK.verify(made(), (), (), 0.0, False)
    assert isinstance(no_clock, Refused) and no_clock.code == "clock-not-set"
    no_key = AssignmentCheck(None, "zfy-1", DAY).verify(made(), (), (), NOW, True)
    assert isinstance(no_key, Refused) and no_key.code == "assignment-key-missing"


def test_delivered_twice_is_no_replay_but_used_again_later_is() -> None:
    assert verdict(made(), used=(JTI,), signed_in=("13010077665544",)) == Repeated()
    replayed = verdict(made(), used=(JTI,))
    assert isinstance(replayed, Refused) and replayed.code == "assignment-replayed"
    forged = verdict(made(STRANGER), used=(JTI,), signed_in=("13010077665544",))
    assert isinstance(forged, Refused), "a forged repeat is not even a repeat"


def test_the_streets_codes_are_not_taken_for_assignments() -> None:
    assert claims_to_be_one(made()) and claims_to_be_one(made(STRANGER))
    for text in ("https://example.org/menu", "", made(typ="receipt"), "x" * 5000):
        assert not claims_to_be_one(text)


@given(st.integers(0, 10_000), st.characters(codec="ascii"))
def test_no_changed_character_is_believed(place: int, other: str) -> None:
    text = made()
    at = place % len(text)
    altered = text[:at] + other + text[at + 1 :]
    if altered != text:
        assert isinstance(verdict(altered), Refused)
