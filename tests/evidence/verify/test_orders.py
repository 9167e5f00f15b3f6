"""Commands of the agency in a journal: each way to say something the agency did not sign is planted, and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence import records as r
from recorder.evidence.age import Identity
from recorder.evidence.commands import TYP
from recorder.evidence.personal import seal_field
from recorder.evidence.verify import load_trust
from recorder.evidence.verify.report import VaultReport
from recorder.evidence.verify.text import render_text
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes, subjects, verify_folder
from tests.evidence.verify.vault_builder import VaultBuilder

SEGMENT = "5f0c2c3b-8a4e-4c55-9d7e-0b1a2c3d4e5f"


def builder(agency: TestAgency, recipients: tuple[str, ...] = ()) -> VaultBuilder:
    b = VaultBuilder(agency, recipients=recipients)
    b.boot()
    b.shift_start()
    b.sign_in()
    b.standby(30)
    b.receipt(segments=False)
    b.session(2)
    return b


def end(b: VaultBuilder) -> VaultBuilder:
    b.standby(10)
    b.receipt(embed=True)
    b.shift_end()
    b.receipt(segments=False)
    return b


def payload(b: VaultBuilder, order: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """What the agency signs: a grant unless ``order`` says otherwise, good for ten minutes from a minute ago."""
    grant = {"kind": "grant", "sessions": [], "segments": [SEGMENT], "until": b.iat + 7200, "metered": True}
    made = {
        "ver": 1,
        "jti": b.new_id(),
        "unit_id": b.unit_id,
        "iat": b.iat - 60,
        "exp": b.iat + 540,
        "order": order or grant,
    }
    return {**made, **changes}


def ordered(b: VaultBuilder, signed: dict[str, Any], text: object, **changes: Any) -> r.Ordered:
    """As the unit writes it for a command with this payload; ``changes`` is what it should not say."""
    order = signed["order"]
    said: dict[str, Any] = {
        "kid": b.agency.commands.kid,
        "iat": signed["iat"],
        "exp": signed["exp"],
        "signed": seal_field(text, b.recipients),
        "sessions": order.get("sessions", ()),
        "segments": order.get("segments", ()),
        "until": order.get("until"),
        "metered": order.get("metered", False),
    }
    return r.Ordered.model_validate({**said, **changes})


def command(
    b: VaultBuilder,
    signed: dict[str, Any],
    *,
    text: object = None,
    name: str | None = None,
    results: tuple[str, ...] = ("accepted", "done"),
    **changes: Any,
) -> int:
    """The records of a command; ``text``: the sealed line, else the agency's own. Returns the first record's seq."""
    line = jws.sign(TYP, signed, b.agency.commands) if text is None else text
    seq = b.seq
    for number, result in enumerate(results):
        order = ordered(b, signed, line, **changes) if number == 0 else None
        record = {"command_id": signed["jti"], "source": "mqtt", "name": name or signed["order"]["kind"]}
        b.append(r.Command.model_validate({**record, "result": result, "detail": "", "order": order}))
    return seq


def commanded(agency: TestAgency, **changes: Any) -> VaultBuilder:
    b = builder(agency)
    command(b, payload(b), **changes)
    return end(b)


# --- what is right ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "order",
    [
        None,
        {"kind": "start", "matter": "行政检查", "documents": ["检查通知书"]},
        {"kind": "stop", "reason": "移交"},
        {"kind": "mark"},
        {"kind": "sign-in", "assignment": "x.y.z"},
        {"kind": "refetch-receipt", "segments": [SEGMENT]},
        {"kind": "config"},
        {"kind": "report-now"},
        {"kind": "restart"},
    ],
    ids=lambda order: "grant" if order is None else str(order["kind"]),
)
def test_a_command_of_the_agency_is_checked_and_the_vault_is_valid(
    agency: TestAgency, tmp_path: Path, order: dict[str, Any] | None
) -> None:
    b = builder(agency)
    command(b, payload(b, order))
    vault = check(end(b), tmp_path)
    assert vault.valid
    assert (vault.commands, vault.commands_checked) == (1, 1)
    assert notes(vault) & {"command-sealed", "command-unchecked", "command-text-absent"} == set()


def test_a_sealed_one_is_checked_with_the_identity_and_said_to_be_unchecked_without(
    agency: TestAgency, identity: Identity, tmp_path: Path
) -> None:
    b = builder(agency, (identity.recipient, identity.recipient))
    command(b, payload(b))
    folder = end(b).write(tmp_path / "unit")
    opened = verify_folder(agency, folder, [identity]).vaults[0]
    assert (opened.valid, opened.commands_checked, "command-sealed" in notes(opened)) == (True, 1, False)
    closed = verify_folder(agency, folder).vaults[0]
    assert (closed.valid, closed.commands, closed.commands_checked) == (True, 1, 0)
    assert "command-sealed" in notes(closed)


def test_without_the_command_key_it_is_said_that_nothing_was_checked(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    command(b, payload(b), text="forged, and nobody can tell")
    report = verify_folder(agency, end(b).write(tmp_path / "unit"), commands=False)
    vault = report.vaults[0]
    assert (vault.commands, vault.commands_checked) == (1, 0)
    assert "command-unchecked" in notes(vault)
    assert "未核验" in render_text(report, "zh")
    assert "were not checked" in render_text(report, "en")


def test_refused_ones_had_no_effect_and_need_no_term(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    command(b, payload(b, iat=b.iat - 7200, exp=b.iat - 3600), results=("refused",))
    for name in ("agency-command", "config"):
        b.append(
            r.Command(command_id=b.new_id(), source="mqtt", name=name, result="refused", detail="command-signature")
        )
    vault = check(end(b), tmp_path)
    assert vault.valid
    assert (vault.commands, vault.commands_checked) == (1, 1)


def test_a_former_command_key_may_stand_in_the_trust_folder_behind_the_present_one(
    agency: TestAgency, tmp_path: Path
) -> None:
    successor = TestAgency()
    trust = agency.trust(tmp_path / "trust")
    both = successor.commands.public_key().pem() + agency.commands.public_key().pem()
    (trust / "command-key.pem").write_bytes(both)
    assert len(load_trust(trust).command_keys) == 2


# --- what is planted --------------------------------------------------------------------------------------------------


def stolen_signature(b: VaultBuilder, signed: dict[str, Any]) -> str:
    other = jws.sign(TYP, {**signed, "exp": signed["exp"] + 1}, b.agency.commands)
    words = jws.sign(TYP, signed, b.agency.commands).rpartition(".")[0]
    return f"{words}.{other.rpartition('.')[2]}"


FORGED: dict[str, Callable[[VaultBuilder, dict[str, Any]], object]] = {
    "by the unit's own key": lambda b, signed: jws.sign(TYP, signed, b.signer or b.agency.store),
    "by the store's key": lambda b, signed: jws.sign(TYP, signed, b.agency.store),
    "words of one, signature of another": stolen_signature,
    "another kind of line": lambda b, signed: jws.sign("assignment", signed, b.agency.commands),
    "not the form of a command": lambda b, signed: jws.sign(
        TYP, {**signed, "order": {"kind": "erase"}}, b.agency.commands
    ),
    "nonsense": lambda _b, _signed: "nonsense",
    "no ASCII": lambda _b, _signed: "é.é.é",
    "no text": lambda _b, _signed: {"a": 1},
}


@pytest.mark.parametrize("what", FORGED)
def test_a_command_the_agency_did_not_sign_is_found(agency: TestAgency, tmp_path: Path, what: str) -> None:
    b = builder(agency)
    signed = payload(b)
    seq = command(b, signed, text=FORGED[what](b, signed))
    vault = check(end(b), tmp_path)
    _found(vault, "command-forged", seq)
    assert vault.commands_checked == 0


def test_a_key_that_is_not_the_agencys_is_found_even_where_the_line_stays_sealed(
    agency: TestAgency, identity: Identity, tmp_path: Path
) -> None:
    b = builder(agency, (identity.recipient, identity.recipient))
    seq = command(b, payload(b), kid=agency.store.kid)
    _found(check(end(b), tmp_path), "command-forged", seq)


def test_another_units_command_is_found(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    seq = command(b, payload(b, unit_id="zfy-000002"))
    vault = check(end(b), tmp_path)
    _found(vault, "command-other-unit", seq)
    assert "zfy-000002" in next(finding.en for finding in vault.findings)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": 1.0}, "until"),
        ({"metered": False}, "metered"),
        ({"segments": ()}, "segments"),
        ({"sessions": (SEGMENT,)}, "sessions"),
        ({"name": "refetch-receipt"}, "name"),
    ],
)
def test_parameters_the_agency_did_not_sign_are_found(
    agency: TestAgency, tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    vault = check(commanded(agency, **changes), tmp_path)
    assert codes(vault) == {"command-altered"}
    assert vault.axes["integrity"] == "altered"
    assert vault.findings[0].en.endswith(f": {field}")


def test_a_longer_term_and_another_id_than_signed_are_found(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    signed = payload(b)
    line = jws.sign(TYP, {**signed, "jti": b.new_id(), "exp": b.iat - 30}, agency.commands)
    command(b, signed, text=line)
    vault = check(end(b), tmp_path)
    assert vault.findings[0].en.endswith(": command_id, exp")


@pytest.mark.parametrize(("iat", "exp"), [(-7200, -3600), (400, 4000)], ids=["expired", "not yet"])
def test_one_accepted_outside_its_term_is_found_without_any_identity(
    agency: TestAgency, identity: Identity, tmp_path: Path, iat: float, exp: float
) -> None:
    b = builder(agency, (identity.recipient, identity.recipient))
    seq = command(b, payload(b, iat=b.iat + iat, exp=b.iat + exp))
    vault = check(end(b), tmp_path)
    assert codes(vault) == {"command-out-of-term"}
    assert subjects(vault, "command-out-of-term") == [f"record {seq}"]
    assert not vault.valid


@pytest.mark.parametrize("before", [True, False])
def test_a_record_the_disk_kept_waiting_is_dated_late_and_no_alarm(
    agency: TestAgency, tmp_path: Path, before: bool
) -> None:
    """What waited is written, in its order, when the disk takes it again; the fault says since when it did not."""
    b = builder(agency)
    signed = payload(b, exp=b.iat + 10)
    onset_us = b.us
    b.standby(60)

    def fault() -> None:
        b.append(
            r.Fault(
                fault_id=b.new_id(),
                code="storage-fault",
                phase="onset",
                component="journal",
                onset_us=onset_us,
                evidence={},
            )
        )

    if before:
        fault()
    command(b, signed)
    if not before:
        fault()
    assert codes(check(end(b), tmp_path)) == set()


def test_a_fault_of_long_ago_excuses_nothing(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    signed = payload(b, exp=b.iat + 10)
    b.append(
        r.Fault(
            fault_id=b.new_id(), code="storage-fault", phase="onset", component="journal", onset_us=b.us, evidence={}
        )
    )
    b.standby(60)
    command(b, signed)
    assert codes(check(end(b), tmp_path)) == {"command-out-of-term"}


def test_one_accepted_twice_is_found(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    signed = payload(b)
    first = command(b, signed)
    second = command(b, signed)
    vault = check(end(b), tmp_path)
    assert codes(vault) == {"command-repeated"}
    assert subjects(vault, "command-repeated") == [f"record {second}"]
    assert f"record {first}" in vault.findings[0].en


@pytest.mark.parametrize("result", ["accepted", "done", "failed"])
def test_what_was_carried_out_without_a_signed_line_is_found(agency: TestAgency, tmp_path: Path, result: str) -> None:
    b = builder(agency)
    record = {"command_id": b.new_id(), "source": "mqtt", "name": "stop", "result": result, "detail": ""}
    seq = b.append(r.Command.model_validate(record))
    vault = check(end(b), tmp_path)
    assert subjects(vault, "command-unsigned") == [f"record {seq}"]
    assert vault.axes["integrity"] == "unsigned"


def test_every_finding_is_in_both_languages(agency: TestAgency, tmp_path: Path) -> None:
    vault = check(commanded(agency, text="nonsense"), tmp_path)
    (finding,) = vault.findings
    assert "机关" in finding.zh
    assert "agency" in finding.en


def _found(vault: VaultReport, code: str, seq: int) -> None:
    assert codes(vault) == {code}
    assert subjects(vault, code) == [f"record {seq}"]
    assert vault.axes["integrity"] == "altered"
    assert not vault.valid
