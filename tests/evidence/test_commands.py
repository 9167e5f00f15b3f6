"""Which commands the unit believes: every way of being wrong has its own code, and the order of the looks is part of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hw_sim.agency.certificates import file_signer
from recorder.evidence import jws
from recorder.evidence.command_book import CommandBook
from recorder.evidence.command_texts import KINDS, TEXTS, refusal_outcome, texts
from recorder.evidence.commands import (
    MAX_IDS,
    MAX_TEXT,
    SKEW_S,
    TYP,
    AgencyCommand,
    AnyOrder,
    CommandCheck,
    Grant,
    Refused,
    Repeated,
    SetMark,
)
from recorder.evidence.signer import FileSigner
from recorder.session.effects import Refused as RefusedByTheMachine

AGENCY, STRANGER = (file_signer(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
JTI = "11111111-1111-4111-8111-111111111111"
ONE = "22222222-1111-4111-8111-111111111111"
NOW = 1_800_000_000.0
CHECK = CommandCheck(AGENCY.public_key(), "zfy-1", 86_400.0, KINDS)


def made(signer: FileSigner = AGENCY, typ: str = TYP, **changes: Any) -> str:
    payload: dict[str, Any] = {
        "ver": 1,
        "jti": JTI,
        "unit_id": "zfy-1",
        "iat": NOW,
        "exp": NOW + 600,
        "order": {"kind": "mark"},
    }
    return jws.sign(typ, payload | changes, signer)


def verdict(
    text: str, *, wall_s: float = NOW, clock: bool = True, book: CommandBook | None = None, check: CommandCheck = CHECK
) -> Any:
    return check.verify(text, book or CommandBook(), wall_s, clock)


def done(jti: str = JTI, iat: float = NOW, result: str = "done") -> CommandBook:
    book = CommandBook()
    record = {"source": "mqtt", "command_id": jti, "name": "mark", "result": result, "detail": "", "seq": 7}
    book.apply(record | {"order": {"iat": iat}})
    return book


def test_a_good_one_is_believed() -> None:
    believed = verdict(made())
    assert isinstance(believed, AgencyCommand) and believed.order == SetMark(kind="mark", mark="key")


@pytest.mark.parametrize(
    ("code", "text", "wall_s", "of_unit"),
    [
        ("command-signature", lambda: made(STRANGER), NOW, False),
        ("command-signature", lambda: made()[:-4] + "AAAA", NOW, False),
        ("command-signature", lambda: "not a JWS", NOW, False),
        ("command-type", lambda: made(typ="assignment"), NOW, False),
        ("command-malformed", lambda: "x" * (MAX_TEXT + 1), NOW, False),
        ("command-unknown", lambda: made(order={"kind": "self-destruct"}), NOW, False),
        ("command-form", lambda: made(order={"kind": "mark", "reason": "x"}), NOW, False),
        ("command-form", lambda: made(order={"kind": "grant", "until": NOW}), NOW, False),
        (
            "command-form",
            lambda: made(order={"kind": "refetch-receipt", "segments": [ONE] * (MAX_IDS + 1)}),
            NOW,
            False,
        ),
        ("command-form", lambda: made(order={"kind": "refetch-receipt", "segments": ["../../etc"]}), NOW, False),
        ("command-form", lambda: made(ver=2), NOW, False),
        ("command-form", lambda: made(jti="one"), NOW, False),
        ("command-unit", lambda: made(unit_id="zfy-2"), NOW, False),
        ("command-term", lambda: made(exp=NOW + 86_401), NOW, True),
        ("command-term", lambda: made(exp=NOW), NOW, True),
        ("command-expired", lambda: made(), NOW + 600, True),
        ("command-early", lambda: made(), NOW - SKEW_S - 1, True),
    ],
)
def test_every_way_of_being_wrong(code: str, text: Callable[[], str], wall_s: float, of_unit: bool) -> None:
    refused = verdict(text(), wall_s=wall_s)
    assert isinstance(refused, Refused)
    assert refused.code == code and (refused.command is not None) is of_unit
    assert code in TEXTS


@given(st.floats(NOW + SKEW_S + 1, 1e15), st.floats(-1e6, 1e6))
def test_nothing_ahead_of_the_clock_is_refused_for_good(iat: float, term_s: float) -> None:
    """Only what is refused for good is remembered, and may become the floor below which nothing is taken."""
    refused = verdict(made(iat=iat, exp=iat + term_s))
    assert (refused.code, refused.final) == ("command-early", False)


def test_without_a_key_nothing_is_believed() -> None:
    assert verdict(made(), check=CommandCheck(None, "zfy-1", 1.0, KINDS)).code == "command-key-missing"


def test_without_a_clock_nobody_knows_its_term_and_it_is_not_used_up() -> None:
    refused = verdict(made(), clock=False)
    assert (refused.code, refused.final) == ("clock-not-set", False)


def test_what_the_configuration_does_not_accept() -> None:
    check = CommandCheck(AGENCY.public_key(), "zfy-1", 86_400.0, ("start",))
    assert verdict(made(), check=check).code == "command-not-allowed"


def test_a_repeat_is_told_what_became_of_the_first_however_late_and_without_a_clock() -> None:
    for wall_s, clock in ((NOW, True), (NOW + 1e6, True), (0.0, False)):
        repeated = verdict(made(), wall_s=wall_s, clock=clock, book=done())
        assert isinstance(repeated, Repeated) and repeated.known.outcome == "done"


def test_one_that_was_begun_and_never_ended_is_not_begun_again() -> None:
    repeated = verdict(made(), book=done(result="accepted"))
    assert isinstance(repeated, Repeated)
    assert (repeated.known.outcome, repeated.known.final_code) == ("failed", "outcome-unknown")


def test_what_was_forgotten_is_not_taken_anew() -> None:
    book = CommandBook(floor=NOW)
    assert verdict(made(), book=book).code == "command-too-old"
    assert isinstance(verdict(made(iat=NOW + 1), book=book), AgencyCommand)


def test_what_is_older_than_the_journal_may_have_been_done_under_another_one() -> None:
    check = CommandCheck(AGENCY.public_key(), "zfy-1", 86_400.0, KINDS, since=NOW)
    assert verdict(made(iat=NOW - 0.001), check=check).code == "command-too-old"
    assert isinstance(verdict(made(), check=check), AgencyCommand)


def test_a_grant_names_what_it_is_about() -> None:
    granted = verdict(made(order={"kind": "grant", "sessions": [ONE], "until": NOW + 60, "metered": True}))
    assert isinstance(granted.order, Grant)
    assert (granted.order.sessions, granted.order.segments, granted.order.metered) == ((ONE,), (), True)


@given(st.text(max_size=200))
def test_nothing_anybody_writes_raises(text: str) -> None:
    assert isinstance(verdict(text), Refused)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nothing_the_agency_signs_raises(order: object) -> None:
    payload = {"ver": 1, "jti": JTI, "unit_id": "zfy-1", "iat": NOW, "exp": NOW + 1, "order": order}
    try:
        text = jws.sign(TYP, payload, AGENCY)
    except ValueError:
        return  # what JSON cannot say
    assert isinstance(verdict(text), Refused)


@given(
    st.floats(0, 4e9),
    st.floats(0, 4e9),
    st.floats(0, 4e9),
    st.booleans(),
    st.sampled_from(KINDS),
    st.sets(st.sampled_from(KINDS)),
)
def test_what_is_believed_is_in_its_term_by_a_clock_that_was_set_and_allowed(
    iat: float, exp: float, wall_s: float, clock: bool, kind: str, allow: set[str]
) -> None:
    needed: dict[str, dict[str, Any]] = {
        "sign-in": {"assignment": "x"},
        "grant": {"segments": [ONE], "until": 1.0},
        "refetch-receipt": {"segments": [ONE]},
    }
    extra = needed.get(kind, {})
    check = CommandCheck(AGENCY.public_key(), "zfy-1", 86_400.0, allow)
    found = check.verify(made(iat=iat, exp=exp, order={"kind": kind, **extra}), CommandBook(), wall_s, clock)
    good = 0 < exp - iat <= 86_400 and clock and iat - SKEW_S <= wall_s < exp and kind in allow
    assert isinstance(found, AgencyCommand) is good


def test_every_kind_has_its_order_and_every_code_its_words() -> None:
    assert sorted(get_args(order.model_fields["kind"].annotation)[0] for order in get_args(AnyOrder)) == sorted(KINDS)
    machine = set(get_args(get_type_hints(RefusedByTheMachine)["code"]))
    assert "already-recording" in machine
    for code in machine - {"shift-open", "recording", "mode-lowered"}:  # no command asks for these
        assert code in TEXTS, code
    for code in (*TEXTS, "assignment-replayed"):
        zh, en = texts(code)
        assert zh and en and zh != en
    assert {refusal_outcome(code) for code in TEXTS} == {"refused", "failed", "expired"}
    assert not math.isfinite(CommandBook().floor)
