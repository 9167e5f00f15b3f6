"""Verifies one vault: a folder with ``journal/``, ``segments/`` and ``receipts/``, a unit's or one of a store's.

One pass over the journal, then one over the files. Nothing outside the folder is read and nothing in it is believed that
a signature does not cover.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence.age import Identity
from recorder.evidence.records import Entry
from recorder.evidence.trust import Trust, judge_chain
from recorder.evidence.verify import again, assembly, tree
from recorder.evidence.verify.accounting import account
from recorder.evidence.verify.chain import Chain
from recorder.evidence.verify.deadlines import judge_storage
from recorder.evidence.verify.elsewhere import find_elsewhere
from recorder.evidence.verify.files import FileCheck
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.judging import Judge, receipt_conflicts
from recorder.evidence.verify.keys import DeviceKey
from recorder.evidence.verify.lines import JournalFiles
from recorder.evidence.verify.opened import SealedFields
from recorder.evidence.verify.reading import Reading
from recorder.evidence.verify.receipts import ReceiptBook
from recorder.evidence.verify.report import ReceiptReport, VaultReport
from recorder.evidence.verify.speech import judge_speech
from recorder.evidence.verify.state import Ledger, Segment
from recorder.evidence.verify.statements import StatementCheck


@dataclass(frozen=True, slots=True)
class Vault:
    """``name``: the folder's path relative to what is verified, ``.`` for that itself."""

    folder: Path
    name: str


def verify_vault(
    vault: Vault,
    trust: Trust,
    identities: Sequence[Identity] = (),
    progress: Callable[[int], None] | None = None,
) -> VaultReport:
    """``progress`` is told the bytes of each segment file as it is done. Raises CannotRead when the folder or its journal
    cannot be read at all."""
    findings = Findings()
    receipts = ReceiptBook(trust, findings)
    if tree.is_folder(vault.folder / "receipts"):
        receipts.load(vault.folder / "receipts")
    chain = Chain(findings, lambda key: _may_speak(key, trust))
    fields = SealedFields(identities, findings) if identities else None
    reading = Reading(chain, findings, receipts, trust, fields)
    journal = JournalFiles(vault.folder / "journal") if tree.is_folder(vault.folder / "journal") else None
    if journal is None or not journal.files:
        findings.add("journal-missing", "journal")
    else:
        _read(journal, chain, reading)
    find_elsewhere(vault.folder, findings)
    owned = _settle_receipts(reading, chain, receipts, findings)
    if journal is not None and tree.is_folder(vault.folder / "forks"):
        again.find_forks(vault.folder / "forks", journal, chain.journal_id, chain.ring, findings)
    return _judge(vault, trust, identities, progress, journal, chain, reading, receipts, owned, fields)


def _may_speak(key: DeviceKey, trust: Trust) -> bool:
    return not trust.authorities or judge_chain(key.chain, key.unit_id, trust).trusted


def _read(journal: JournalFiles, chain: Chain, reading: Reading) -> None:
    again.find_late_certificate(journal, chain.ring)
    for raw in journal.lines():
        link = chain.feed(raw)
        if link is not None:
            reading.feed(link)
    chain.finish()
    reading.finish()
    if not chain.lines:
        chain.findings.add("journal-missing", "journal")  # files, but not a line in them


def _settle_receipts(
    reading: Reading, chain: Chain, receipts: ReceiptBook, findings: Findings
) -> tuple[ReceiptReport, ...]:
    ledger = reading.ledger
    owned: list[ReceiptReport] = []
    if ledger.records:
        kids = set(chain.ring.keys)
        for _, anchor in receipts.owned(ledger.unit_id, chain.journal_id or "", kids):
            owned.append(ReceiptReport(anchor.jti, anchor.iat, anchor.head_seq))
    else:
        findings.add("time-unsigned", "journal")
    receipts.settle(ledger.last_seq)
    receipt_conflicts(ledger, receipts, findings)
    return tuple(sorted(owned, key=lambda receipt: receipt.head_seq))


def _judge(
    vault: Vault,
    trust: Trust,
    identities: Sequence[Identity],
    progress: Callable[[int], None] | None,
    journal: JournalFiles | None,
    chain: Chain,
    reading: Reading,
    receipts: ReceiptBook,
    owned: tuple[ReceiptReport, ...],
    fields: SealedFields | None,
) -> VaultReport:
    findings, ledger = chain.findings, reading.ledger
    kind = "store" if vault.folder.name == chain.journal_id else "unit"
    judge = Judge(ledger, receipts, trust, findings)
    keys = judge.keys(chain.ring.keys.values())
    judge.anchor()
    judge.journal()
    sessions = assembly.session_reports(ledger, judge)

    def entries(segment: Segment) -> list[Entry]:
        return again.entries_of(journal, chain.ring, segment) if journal is not None else []

    rest = journal.rest if journal is not None else []
    files = FileCheck(vault.folder, kind, ledger, receipts, findings, identities, entries, rest, progress)
    files.run()
    statements = StatementCheck(vault.folder, kind, ledger, receipts, trust, findings, identities)
    statements.run()
    unopened = files.unopened + statements.unopened + (fields.unopened if fields is not None else 0)
    if unopened:
        findings.add("identity-mismatch", "identity", count=unopened)
    storage = judge_storage(ledger, receipts.held, receipts.upper, receipts.newest, findings)
    judge_speech(ledger, entries, findings)
    shifts, gaps, totals = account(ledger, findings)
    segments = assembly.segment_reports(ledger, judge, files, chain.ring, findings)
    return VaultReport(
        folder=vault.name,
        kind=kind,
        unit_id=ledger.unit_id,
        journal_id=chain.journal_id or "",
        hardware=ledger.hardware,
        software=ledger.software,
        records=ledger.records,
        last_seq=ledger.last_seq,
        last_digest=chain.last_digest,
        last_iat=ledger.last_iat,
        anchored_seq=receipts.anchored_seq,
        axes=findings.axes(),
        findings=tuple(findings.findings),
        notes=tuple(findings.notes),
        finding_count=findings.found(),
        segments=segments,
        sessions=sessions,
        gaps=gaps,
        shifts=shifts,
        keys=tuple(keys),
        receipts=owned,
        officers=assembly.officer_reports(ledger),
        storage=storage,
        account=tuple(reading.account.lines),
        account_left_out=reading.account.left_out,
        totals_us=totals,
        unaccounted_us=totals.get("unaccounted", 0) if _whole(chain, ledger, findings) else None,
        identity_used=bool(identities),
        statements=tuple(statements.reports),
        commands=reading.orders.lines.seen,
        commands_checked=reading.orders.lines.checked,
    )


def _whole(chain: Chain, ledger: Ledger, findings: Findings) -> bool:
    """All the journal there ever was has been read: no line is lost or altered, and no receipt knows of more."""
    return bool(ledger.records) and chain.whole and findings.axes()["anchor"] not in ("rolled-back", "forked")
