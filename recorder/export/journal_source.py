"""Reading a journal for an export: only lines that verify and continue the chain, and what was wrong with the others.

Whether the key that signed is to be believed is the verifier's question (``recorder verify``); here the journal speaks for
itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from recorder.evidence import records as r
from recorder.evidence.errors import CannotRead
from recorder.evidence.verify import again, tree
from recorder.evidence.verify.chain import Chain
from recorder.evidence.verify.findings import Finding, Findings
from recorder.evidence.verify.lines import JournalFiles
from recorder.evidence.verify.reading import parse
from recorder.export.facts import JournalFacts


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One record. ``digest``: of its whole line."""

    common: r.Common
    record: r.Record
    digest: str


class JournalSource:
    """The journal of ``folder``: a unit's data folder, or a store's vault of one journal. Raises CannotRead."""

    def __init__(self, folder: Path) -> None:
        journal = folder / "journal"
        if not tree.is_folder(journal):
            raise CannotRead(journal, "没有日志", "there is no journal here")
        self._files = JournalFiles(journal)
        self._findings = Findings()
        self._chain = Chain(self._findings, lambda _: True)

    def records(self) -> Iterator[JournalRecord]:
        """In order, once. Raises CannotRead."""
        again.find_late_certificate(self._files, self._chain.ring)
        for raw in self._files.lines():
            link = self._chain.feed(raw)
            if link is None:
                continue
            try:
                common, record = parse(link)
            except (ValidationError, ValueError) as error:
                reason = str(error).splitlines()[0][:200]
                self._findings.add(
                    "journal-record-invalid", f"record {link.seq}", seq=link.seq, typ=link.typ[:40], reason=reason
                )
                continue
            yield JournalRecord(common, record, link.digest)
        self._chain.finish()

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What did not verify, complete once all records were read: an export made in spite of it must say so."""
        return tuple(self._findings.findings)


def read_facts(folder: Path, tell: Callable[[Finding], None] = lambda _: None) -> JournalFacts:
    """The whole journal folded; ``tell`` is told what did not verify. Raises CannotRead."""
    source, facts = JournalSource(folder), JournalFacts()
    for one in source.records():
        facts.feed(one.common, one.record, one.digest)
    for problem in source.problems:
        tell(problem)
    if not facts.boots:
        raise CannotRead(folder / "journal", "日志中没有可验证的记录", "the journal has no verifiable record")
    return facts
