"""《音像记录中断情况说明》 as two officers do it: document and signatures are made off the unit, from a copy of the unit's
journal, by the real commands; only handing in happens at the unit."""

from __future__ import annotations

import shutil
from pathlib import Path

from hw_sim.runner.acts.officers import refused
from hw_sim.runner.stage import Pause, Stage, Taking
from hw_sim.runner.unit_processes import recorder_command
from hw_sim.scenario_actions import Signatory, SignStatement


def sign_statement(stage: Stage, action: SignStatement) -> Taking:
    gaps = list(stage.journal().gaps)
    if not gaps:
        stage.run.notes.unmet.append("sign-statement: 没有中断 there is no interruption")
        return
    gap_id, desk = gaps[-1], stage.run.layout.desk
    document = export_statement(stage.run.layout.unit, desk, gap_id, action.legal_cause)
    yield Pause(0)
    signatures: list[Path] = []
    for number, officer in enumerate(action.officers):
        signatures.append(sign(stage, desk / f"officer-{number + 1}", officer, document, gap_id, action.legal_cause))
        yield Pause(0)
    if action.alone_first:
        refused(stage, *handing_in(gap_id, document, action.legal_cause, signatures[:1]))
        yield Pause(0)
    stage.unit.control(*handing_in(gap_id, document, action.legal_cause, signatures))
    stage.run.say(f"          {document.name}: {', '.join(officer.name for officer in action.officers)}")


def export_statement(unit: Path, desk: Path, gap_id: str, legal_cause: str) -> Path:
    """The document (DOCX) to sign, beside its machine-readable twin."""
    copy = desk / "copy"
    shutil.copytree(unit / "journal", copy / "journal", dirs_exist_ok=True)
    out = desk / "statement"
    printed = recorder_command(
        *("export", "statement", gap_id, "--from", str(copy), "-o", str(out), "--legal-cause", legal_cause)
    )
    return next(Path(line) for line in printed.splitlines() if line.endswith(".docx"))


def sign(stage: Stage, folder: Path, officer: Signatory, document: Path, gap_id: str, legal_cause: str) -> Path:
    """The officer's key is made on the officer's own computer, certified by the agency, and signs there."""
    folder.mkdir(parents=True, exist_ok=True)
    key, request, certificate, signature = (
        folder / name for name in ("key.pem", "request.pem", "certificate.pem", "signature.jws")
    )
    recorder_command("statement", "request", officer.name, "--key", str(key), "-o", str(request))
    issued = stage.agency.authority.enrol_person(officer.name, officer.cert_no, "officer", request.read_bytes())
    certificate.write_bytes(issued)
    recorder_command(
        *("statement", "sign", str(document), "--gap", gap_id, "--legal-cause", legal_cause),
        *("--key", str(key), "--cert", str(certificate), "-o", str(signature)),
    )
    return signature


def handing_in(gap_id: str, document: Path, legal_cause: str, signatures: list[Path]) -> list[str]:
    """Arguments of ``recorder ctl``."""
    options = [option for path in signatures for option in ("--signature", str(path))]
    return ["statement", "sign", gap_id, "--document", str(document), "--legal-cause", legal_cause, *options]
