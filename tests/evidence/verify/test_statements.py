"""Written statements as the verifier judges them: by the unit's rule, from the journal, the documents and an identity."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.evidence.age import Identity
from recorder.evidence.signer import FileSigner
from tests.evidence.verify.agency import NOW, TestAgency
from tests.evidence.verify.checking import check, codes, notes, subjects, verify_folder
from tests.evidence.verify.vault_builder import VaultBuilder

AGENCY = TestAgency()
ZHANG = AGENCY.person("张三", "13010001001")
LI = AGENCY.person("李四", "13010001002")
STRANGER = TestAgency("别的机关 CA").person("钱七", "13010001009")


def owing(recipients: tuple[str, ...] = ()) -> tuple[VaultBuilder, str]:
    """A recording that broke off and never resumed."""
    b = VaultBuilder(AGENCY, recipients=recipients)
    b.boot()
    b.shift_start()
    b.session_start()
    before = b.segment(5)
    gap = b.interruption(before, "camera-unplugged", before.end_us, b.bootseed)
    b.wait(4)
    b.session_stop()
    return b, gap


def finish(b: VaultBuilder) -> VaultBuilder:
    b.standby(3)
    b.shift_end()
    b.receipt()
    return b


def test_a_statement_two_officers_signed_is_enough_without_a_spoken_explanation(tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, [ZHANG, LI])
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"gap-explained"}
    assert vault.axes["completeness"] == "gap"
    (statement,) = vault.statements
    assert statement.accepted is True and statement.file == "present"
    assert statement.officers == (("张三", "13010001001"), ("李四", "13010001002"))


@pytest.mark.parametrize(
    ("signers", "words"),
    [([ZHANG], "fewer than two"), ([ZHANG, ZHANG], "same officer"), ([ZHANG, STRANGER], "钱七")],
    ids=["one", "twice", "foreign"],
)
def test_a_forged_one_is_named_and_counts_for_nothing(signers: list[FileSigner], words: str, tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, signers)
    vault = check(finish(b), tmp_path)
    assert codes(vault) == {"statement-owed", "statement-forged"}
    (finding,) = [finding for finding in vault.findings if finding.code == "statement-forged"]
    assert finding.subject == f"gap {gap}"
    assert words in finding.en
    assert vault.statements[0].accepted is False


def test_signatures_taken_from_another_gap_s_statement_are_forged(tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, [ZHANG, LI], changes={"gap_id": "00000000-0000-4000-8000-000000000000"})
    vault = check(finish(b), tmp_path)
    assert "statement-forged" in codes(vault)
    assert vault.axes["completeness"] == "statement-owed"


def test_a_record_whose_cause_is_not_the_signed_one_is_forged(tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, [ZHANG, LI], legal_cause="设备故障", changes={"legal_cause": "天气恶劣"})
    vault = check(finish(b), tmp_path)
    assert "statement-forged" in codes(vault)
    assert "天气恶劣" in next(f.zh for f in vault.findings if f.code == "statement-forged")


def test_signed_by_a_certificate_that_was_revoked_before_the_store_saw_it(tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, [ZHANG, AGENCY.person("李四", "13010001002", serial=77)])
    folder = finish(b).write(tmp_path / "unit")
    AGENCY.revoke(AGENCY.trust(tmp_path / "trust-True-True"), 77, NOW - 60)
    vault = verify_folder(AGENCY, folder).vaults[0]
    assert "statement-forged" in codes(vault)
    assert "revoked" in next(f.en for f in vault.findings if f.code == "statement-forged")


def test_a_certificate_that_ran_out_before_the_store_saw_the_statement_makes_no_forgery(tmp_path: Path) -> None:
    """Signed in the field in time, and three days later the store heard of it."""
    b, gap = owing()
    soon = AGENCY.person("李四", "13010001002", not_after=b.iat + 3600)
    b.statement(gap, [ZHANG, soon])
    b.wait(3 * 86400)
    b.standby_to_now()
    vault = check(finish(b), tmp_path)
    assert "statement-forged" not in codes(vault)
    assert "statement-unproven" in notes(vault)
    assert vault.statements[0].accepted is True


def test_a_certificate_that_had_run_out_by_the_units_own_clock_signs_nothing(tmp_path: Path) -> None:
    b, gap = owing()
    b.statement(gap, [ZHANG, AGENCY.person("李四", "13010001002", not_after=b.iat - 60)])
    vault = check(finish(b), tmp_path)
    assert "statement-forged" in codes(vault) and "statement-unproven" not in notes(vault)


def test_sealed_signatures_need_an_identity_and_the_report_says_so(tmp_path: Path, identity: Identity) -> None:
    b, gap = owing((identity.recipient,))
    b.statement(gap, [ZHANG, STRANGER])
    folder = finish(b).write(tmp_path / "unit")
    closed = verify_folder(AGENCY, folder).vaults[0]
    assert closed.axes["completeness"] == "gap"  # the unit says it checked them
    assert "statement-sealed" in notes(closed)
    assert closed.statements[0].accepted is None and closed.statements[0].officers == ()
    opened = verify_folder(AGENCY, folder, [identity]).vaults[0]
    assert "statement-forged" in codes(opened)


def test_sealed_and_opened(tmp_path: Path, identity: Identity) -> None:
    b, gap = owing((identity.recipient,))
    b.statement(gap, [ZHANG, LI])
    vault = check(finish(b), tmp_path, [identity])
    assert codes(vault) == {"gap-explained"}
    assert vault.statements[0].accepted is True


def test_an_edited_or_missing_document_is_named(tmp_path: Path) -> None:
    for number, (data, code) in enumerate(
        [(b"%PDF-1.7 another", "statement-document-altered"), (None, "statement-document-missing")]
    ):
        b, gap = owing()
        b.statement(gap, [ZHANG, LI])
        folder = finish(b).write(tmp_path / f"{number}/unit")
        (document,) = (folder / "statements").iterdir()
        if data is None:
            document.unlink()
        else:
            document.write_bytes(data)
        vault = verify_folder(AGENCY, folder).vaults[0]
        assert subjects(vault, code) == [f"gap {gap}"]
        assert not vault.valid


def test_a_document_no_record_names_is_unsigned(tmp_path: Path) -> None:
    b, _ = owing()
    folder = finish(b).write(tmp_path / "unit")
    (folder / "statements").mkdir()
    (folder / "statements" / "stray.document").write_bytes(b"x")
    (folder / "statements" / "link").symlink_to("/etc/passwd")
    vault = verify_folder(AGENCY, folder).vaults[0]
    assert subjects(vault, "file-unsigned") == ["file statements/stray.document"]
    assert subjects(vault, "file-not-regular") == ["file statements/link"]
