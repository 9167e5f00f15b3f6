"""Assignments and pushed configurations in a journal: each way to say something the agency did not sign is planted, and
named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recorder.evidence import jws
from recorder.evidence import records as r
from recorder.evidence.age import Identity
from recorder.evidence.config_order import detail
from recorder.evidence.desired import MAX_TEXT
from recorder.evidence.encoding import b64u, compact_json, sha256_b64u
from recorder.evidence.personal import seal_field
from recorder.evidence.verify.report import VaultReport
from tests.evidence.verify.agency import TestAgency
from tests.evidence.verify.checking import check, codes, notes, subjects, verify_folder
from tests.evidence.verify.test_orders import builder, end
from tests.evidence.verify.vault_builder import VaultBuilder

TOML = "[night]\ndwell_s = 9\n"
OFFICER = {"name": "王五", "cert_no": "13010055"}
KINDS = ("assignment", "config")
Sign = Callable[[VaultBuilder, str, dict[str, Any]], object]


def payload(b: VaultBuilder, kind: str, **changes: Any) -> dict[str, Any]:
    """What the agency signs: an assignment of an hour, or version 7 of the pushed layer."""
    made: dict[str, Any] = {"ver": 1, "jti": b.new_id(), "unit_id": b.unit_id, "iat": b.iat - 60}
    made |= {"exp": b.iat + 3540, **OFFICER} if kind == "assignment" else {"version": 7, "toml": TOML}
    return made | changes


def signed(b: VaultBuilder, kind: str, said: dict[str, Any]) -> str:
    return jws.sign(kind, said, b.agency.commands)


def record(
    b: VaultBuilder,
    kind: str,
    said: dict[str, Any],
    sign: Sign = signed,
    *,
    kid: str | None = None,
    result: str = "accepted",
    **changes: Any,
) -> r.Command:
    """As the unit writes it for a line with this payload; ``changes`` is what it should not say."""
    told = detail(said["version"], sha256_b64u(said["toml"].encode())) if kind == "config" else ""
    line = {"kid": kid or b.agency.commands.kid, "signed": seal_field(sign(b, kind, said), b.recipients)}
    made = {"command_id": said["jti"], "source": "mqtt", "name": "config" if kind == "config" else "assign"}
    made |= {"result": result, "detail": told, "agency_line": line}
    return r.Command.model_validate(made | changes)


def enter(b: VaultBuilder, assignment_id: str, officer: dict[str, str] | None = None) -> int:
    assert b.shift_id is not None
    return b.append(
        r.OfficerSignIn(
            shift_id=b.shift_id,
            officer=seal_field(officer or OFFICER, b.recipients),
            officer_ref=sha256_b64u(b"reference"),
            method="remote",
            count=2,
            assignment_id=assignment_id,
        )
    )


def found(vault: VaultReport, code: str, seq: int, axis_value: str | None = "altered") -> None:
    assert codes(vault) == {code}
    assert subjects(vault, code) == [f"record {seq}"]
    assert axis_value is None or vault.axes["integrity"] == axis_value
    assert not vault.valid


# --- what is right ----------------------------------------------------------------------------------------------------


def test_both_are_checked_and_the_vault_is_valid(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    given = payload(b, "assignment")
    b.append(record(b, "assignment", given))
    enter(b, given["jti"])
    b.append(record(b, "config", payload(b, "config")))
    b.append(record(b, "config", payload(b, "config", version=8), result="refused"))
    b.append(record(b, "config", payload(b, "config", version=9, unit_id=None, group="traffic")))
    vault = check(end(b), tmp_path)
    assert vault.valid
    assert (vault.commands, vault.commands_checked) == (4, 4)
    assert notes(vault) & {"command-sealed", "command-unchecked", "command-text-absent"} == set()


def test_sealed_ones_are_checked_with_the_identity_and_said_to_be_unchecked_without(
    agency: TestAgency, identity: Identity, tmp_path: Path
) -> None:
    b = builder(agency, (identity.recipient, identity.recipient))
    given = payload(b, "assignment")
    b.append(record(b, "assignment", given))
    enter(b, given["jti"])
    b.append(record(b, "config", payload(b, "config")))
    folder = end(b).write(tmp_path / "unit")
    opened = verify_folder(agency, folder, [identity]).vaults[0]
    assert (opened.valid, opened.commands_checked, "command-sealed" in notes(opened)) == (True, 2, False)
    closed = verify_folder(agency, folder).vaults[0]
    assert (closed.valid, closed.commands, closed.commands_checked) == (True, 2, 0)
    assert "command-sealed" in notes(closed)


def test_without_the_command_key_it_is_said_that_nothing_was_checked(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    for kind in KINDS:
        b.append(record(b, kind, payload(b, kind), lambda *_: "forged, and nobody can tell"))
    vault = verify_folder(agency, end(b).write(tmp_path / "unit"), commands=False).vaults[0]
    assert (vault.commands, vault.commands_checked) == (2, 0)
    assert "command-unchecked" in notes(vault)


def test_of_those_an_earlier_version_recorded_it_is_said_that_only_the_unit_checked_them(
    agency: TestAgency, tmp_path: Path
) -> None:
    b = builder(agency)
    for kind in KINDS:
        b.append(record(b, kind, payload(b, kind), agency_line=None), without=("agency_line",))
    vault = check(end(b), tmp_path)
    assert vault.valid
    assert next(note.en for note in vault.notes if note.code == "command-text-absent").startswith("of 2 ")


def test_refused_ones_without_a_line_had_no_effect(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    for kind in KINDS:
        b.append(record(b, kind, payload(b, kind), result="refused", agency_line=None))
    vault = check(end(b), tmp_path)
    assert vault.valid
    assert vault.commands == 0


def test_the_longest_configuration_stands_in_a_line_of_the_journal(
    agency: TestAgency, identity: Identity, tmp_path: Path
) -> None:
    """docs/formats.md: some 90 kB."""
    b = builder(agency, (identity.recipient,) * 4)
    said = payload(b, "config")
    said["toml"] = "#" + "号" * ((MAX_TEXT - len(signed(b, "config", said))) // 4)  # three bytes of UTF-8 each
    assert MAX_TEXT - 64 < len(signed(b, "config", said)) <= MAX_TEXT
    b.append(record(b, "config", said))
    assert 80_000 < len(b.lines[-1]) < 92_000
    assert verify_folder(agency, end(b).write(tmp_path / "unit"), [identity]).vaults[0].commands_checked == 1


# --- what is planted --------------------------------------------------------------------------------------------------


def stolen_signature(b: VaultBuilder, kind: str, said: dict[str, Any]) -> str:
    other = signed(b, kind, {**said, "iat": said["iat"] + 1}).rpartition(".")[2]
    return f"{signed(b, kind, said).rpartition('.')[0]}.{other}"


def naming_another_key(b: VaultBuilder, kind: str, said: dict[str, Any]) -> str:
    header = compact_json({"alg": "ES256", "kid": b.agency.store.kid, "typ": kind})
    message = f"{b64u(header)}.{b64u(compact_json(said))}"
    return f"{message}.{b64u(b.agency.commands.sign(message.encode('ascii')))}"


FORGED: dict[str, Sign] = {
    "its header names another key": naming_another_key,
    "by the unit's own key": lambda b, kind, said: jws.sign(kind, said, b.signer or b.agency.store),
    "by the store's key": lambda b, kind, said: jws.sign(kind, said, b.agency.store),
    "words of one, signature of another": stolen_signature,
    "another kind of line": lambda b, _kind, said: jws.sign("command", said, b.agency.commands),
    "not its form": lambda b, kind, said: signed(b, kind, {**said, "jti": "none"}),
    "nonsense": lambda *_: "nonsense",
    "no text": lambda *_: {"a": 1},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", FORGED)
def test_one_the_agency_did_not_sign_is_found(agency: TestAgency, tmp_path: Path, what: str, kind: str) -> None:
    b = builder(agency)
    seq = b.append(record(b, kind, payload(b, kind), FORGED[what]))
    vault = check(end(b), tmp_path)
    found(vault, "command-forged", seq)
    assert vault.commands_checked == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_not_the_agencys_is_found_even_where_the_line_stays_sealed(
    agency: TestAgency, identity: Identity, tmp_path: Path, kind: str
) -> None:
    b = builder(agency, (identity.recipient, identity.recipient))
    seq = b.append(record(b, kind, payload(b, kind), kid=agency.store.kid))
    found(check(end(b), tmp_path), "command-forged", seq)


@pytest.mark.parametrize("kind", KINDS)
def test_another_units_is_found(agency: TestAgency, tmp_path: Path, kind: str) -> None:
    b = builder(agency)
    seq = b.append(record(b, kind, payload(b, kind, unit_id="zfy-000002")))
    vault = check(end(b), tmp_path)
    found(vault, "command-other-unit", seq)
    assert "zfy-000002" in vault.findings[0].en


@pytest.mark.parametrize(
    ("kind", "changes", "fields"),
    [
        ("assignment", {"command_id": "00000000-0000-4000-8000-000000000001"}, "command_id"),
        ("config", {"command_id": "00000000-0000-4000-8000-000000000001"}, "command_id"),
        ("config", {"detail": detail(8, sha256_b64u(TOML.encode()))}, "version"),
        ("config", {"detail": detail(7, sha256_b64u(b""))}, "digest"),
        ("config", {"detail": detail(8, sha256_b64u(b""), "3 errors"), "result": "refused"}, "version, digest"),
    ],
)
def test_what_the_record_says_otherwise_is_found(
    agency: TestAgency, tmp_path: Path, kind: str, changes: dict[str, Any], fields: str
) -> None:
    b = builder(agency)
    seq = b.append(record(b, kind, payload(b, kind), **changes))
    vault = check(end(b), tmp_path)
    found(vault, "command-altered", seq)
    assert vault.findings[0].en.endswith(f": {fields}")


@pytest.mark.parametrize("kind", KINDS)
def test_one_that_was_taken_without_a_line_is_found(agency: TestAgency, tmp_path: Path, kind: str) -> None:
    b = builder(agency)
    seq = b.append(record(b, kind, payload(b, kind), agency_line=None))
    found(check(end(b), tmp_path), "command-unsigned", seq, "unsigned")


@pytest.mark.parametrize(("iat", "exp"), [(-7200, -3600), (400, 4000)], ids=["expired", "not yet"])
def test_an_assignment_accepted_outside_its_term_is_found(
    agency: TestAgency, tmp_path: Path, iat: float, exp: float
) -> None:
    b = builder(agency)
    seq = b.append(record(b, "assignment", payload(b, "assignment", iat=b.iat + iat, exp=b.iat + exp)))
    found(check(end(b), tmp_path), "command-out-of-term", seq, None)


def test_an_assignment_accepted_twice_is_found(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    given = record(b, "assignment", payload(b, "assignment"))
    b.append(given)
    seq = b.append(given)
    found(check(end(b), tmp_path), "command-repeated", seq, None)


@pytest.mark.parametrize("other", [{"name": "赵六"}, {"cert_no": "99"}], ids=["name", "number"])
def test_who_signed_in_by_anothers_assignment_is_found(
    agency: TestAgency, tmp_path: Path, other: dict[str, str]
) -> None:
    b = builder(agency)
    given = payload(b, "assignment")
    b.append(record(b, "assignment", given))
    seq = enter(b, given["jti"], OFFICER | other)
    vault = check(end(b), tmp_path)
    found(vault, "command-altered", seq)
    assert vault.findings[0].en.endswith(": officer")


def test_who_signed_in_by_an_assignment_nobody_accepted_is_found(agency: TestAgency, tmp_path: Path) -> None:
    b = builder(agency)
    seq = enter(b, b.new_id())
    found(check(end(b), tmp_path), "command-unsigned", seq, "unsigned")


def test_where_lines_are_lost_nobody_is_said_to_have_signed_in_without_an_assignment(
    agency: TestAgency, tmp_path: Path
) -> None:
    """It may have stood there."""
    b = builder(agency)
    given = payload(b, "assignment")
    seq = b.append(record(b, "assignment", given))
    enter(b, given["jti"])
    end(b)
    b.files[-1] = [line for line in b.files[-1] if jws.split(line).payload["seq"] != seq]
    lost = codes(check(b, tmp_path))
    assert "journal-lines-missing" in lost and "command-unsigned" not in lost
