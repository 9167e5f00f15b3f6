"""From the command line to what the unit believes; whatever does not fit is named by its option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from recorder.evidence.assignments import Assignment, AssignmentCheck
from recorder.evidence.command_book import CommandBook
from recorder.evidence.command_texts import KINDS
from recorder.evidence.commands import AgencyCommand, CommandCheck, SignIn
from recorder.evidence.signer import load_or_create_key
from recorder.fleet.orders import signed_commands
from recorder.fleet.settings import FleetError
from recorder.fleet.signing import load_command_key

AGENCY = file_signer(ec.generate_private_key(ec.SECP256R1()))
NOW = 1_800_000_000.123
ID = "22222222-1111-4111-8111-111111111111"


def made(kind: str, *units: str, **options: Any) -> list[AgencyCommand]:
    """What each unit believes."""
    commands = signed_commands(units or ("zfy-1",), kind, options, AGENCY, NOW, 600)
    believed = []
    for command in commands:
        check = CommandCheck(AGENCY.public_key(), command.unit_id, 86_400, KINDS)
        verdict = check.verify(command.text, CommandBook(), NOW, True)
        assert isinstance(verdict, AgencyCommand), verdict
        assert (verdict.jti, verdict.exp) == (command.command_id, command.exp)
        believed.append(verdict)
    return believed


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("start", {"mode": "whole", "documents": ("检查笔录",)}),
        ("stop", {"reason": "执法结束"}),
        ("mark", {"mark": "art22-1"}),
        ("mark", {"mark": None, "sessions": ()}),
        ("sign-in", {"name": "欧阳建国", "cert_no": "1301"}),
        ("grant", {"sessions": (ID,), "hours": 2.0, "metered": True}),
        ("refetch-receipt", {"segments": (ID,)}),
        ("config", {}),
        ("report-now", {}),
        ("restart", {}),
    ],
)
def test_every_kind_is_believed_by_its_unit(kind: str, options: dict[str, Any]) -> None:
    one, other = made(kind, "zfy-1", "zfy-2", **options)
    assert one.order.kind == other.order.kind == kind
    assert one.jti != other.jti and (one.unit_id, other.unit_id) == ("zfy-1", "zfy-2")


def test_an_officer_is_assigned_to_each_unit_by_itself() -> None:
    for believed in made("sign-in", "zfy-1", "zfy-2", name="欧阳建国", cert_no="1301"):
        assert isinstance(believed.order, SignIn)
        check = AssignmentCheck(AGENCY.public_key(), believed.unit_id, 7 * 86_400)
        assert isinstance(check.verify(believed.order.assignment, (), (), NOW, True), Assignment)


@pytest.mark.parametrize(
    ("kind", "options", "zh", "en"),
    [
        ("mark", {"reason": "x"}, "--reason 不属于 mark", "--reason does not belong to mark"),
        ("stop", {"documents": ("x",)}, "--document 不属于 stop", "--document does not belong to stop"),
        ("grant", {}, "需要 --session 或 --segment", "needs --session or --segment"),
        ("refetch-receipt", {"segments": ("x",)}, "--segment", "--segment"),
        ("sign-in", {"name": "x"}, "--cert-no", "--cert-no"),
        ("stop", {"reason": "x" * 501}, "至多 500 个字符", "at most 500 characters"),
    ],
)
def test_what_does_not_fit_is_named_by_its_option(kind: str, options: dict[str, Any], zh: str, en: str) -> None:
    with pytest.raises(FleetError) as caught:
        made(kind, **options)
    assert zh in caught.value.zh and en in caught.value.en


def test_what_is_no_unit_is_not_sent_to() -> None:
    with pytest.raises(FleetError):
        made("mark", "fleet/#")


def test_a_key_that_cannot_be_used_is_named_and_none_is_made(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(FleetError, match=r"none\.pem"):
        load_command_key(missing)
    assert not missing.exists()
    key = tmp_path / "key.pem"
    load_or_create_key(key)
    assert load_command_key(key).kid
    key.chmod(0o644)
    with pytest.raises(FleetError, match="chmod 600"):
        load_command_key(key)
    key.write_text("nothing")
    key.chmod(0o600)
    with pytest.raises(FleetError, match="P-256"):
        load_command_key(key)
