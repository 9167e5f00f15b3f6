"""What a journal says came from the agency: commands (指令), assignments (指派) and pushed configurations (下发的配置).

A record may say less than the agency signed (the line itself may stay sealed) and never something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from recorder.evidence import records as r
from recorder.evidence.command_book import SOURCE
from recorder.evidence.commands import TYP, AgencyCommand
from recorder.evidence.config_order import newest
from recorder.evidence.trust import Trust
from recorder.evidence.verify.agency_lines import AgencyLines, Opener
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.handed_down import HandedDown
from recorder.evidence.verify.order_terms import OrderTerms

ASSIGN = "assign"
FIELD = "order.signed"


@dataclass(slots=True)
class OrderCheck:
    """Feed every record in order, then :meth:`finish`."""

    trust: Trust
    findings: Findings
    opener: Opener
    whole: Callable[[], bool]
    """Whether no line was lost so far: what is missing may have stood there."""
    lines: AgencyLines = field(init=False)
    _terms: OrderTerms = field(init=False)
    _handed_down: HandedDown = field(init=False)
    _known: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.lines = AgencyLines(self.trust, self.findings, self.opener)
        self._terms = OrderTerms(self.findings)
        self._handed_down = HandedDown(self.lines, self._terms, self.findings, self.whole)

    def feed(self, link: Link, unit_id: str, common: r.Common, record: r.Record) -> None:
        """``unit_id``: whose journal it is."""
        if isinstance(record, r.Command):
            self._command(link, unit_id, common, record)
        elif isinstance(record, r.Fault):
            self._terms.fault(common, record)

    def signed_in(self, link: Link, record: r.OfficerSignIn, value: object | None) -> None:
        """``value``: of the record's sealed officer, None when it stays closed."""
        self._handed_down.signed_in(link, record, value)

    def finish(self) -> None:
        """After the last record."""
        self._terms.finish()
        self.lines.finish()
        self._handed_down.finish()

    def _command(self, link: Link, unit_id: str, common: r.Common, record: r.Command) -> None:
        if record.order is None:
            self._without_order(link, unit_id, common, record)
            return
        order = record.order
        self._known.add(record.command_id)
        if record.result == "accepted":
            self._terms.once(link, record.command_id)
            self._terms.in_term(link, common, order.iat, order.exp)
        command = self.lines.read(link, order.kid, FIELD, order.signed, TYP, AgencyCommand, unit_id)
        if command is not None:
            self.lines.agrees(link, list(_differences(record, order, command)))

    def _without_order(self, link: Link, unit_id: str, common: r.Common, record: r.Command) -> None:
        """An assignment or a pushed configuration; the end of a command whose beginning bears the order; or one that was
        not believed. Anything else had an effect and nothing the agency signed."""
        if record.name == ASSIGN and record.source in (SOURCE, "qr"):
            self._handed_down.assignment(link, unit_id, common, record)
        elif (considered := newest(None, record.model_dump())) is not None:
            self._handed_down.configuration(link, unit_id, record, considered)
        elif self._bare_effect(record) and self.whole():
            self.findings.add("command-unsigned", f"record {link.seq}", seq=link.seq, name=record.name[:40])

    def _bare_effect(self, record: r.Command) -> bool:
        return record.source == SOURCE and record.result != "refused" and record.command_id not in self._known


def _differences(record: r.Command, order: r.Ordered, command: AgencyCommand) -> Iterator[str]:
    """Fields of the record that say something else than the agency signed."""
    said = command.order
    for name, ours, theirs in (
        ("command_id", record.command_id, command.jti),
        ("name", record.name, said.kind),
        ("iat", order.iat, command.iat),
        ("exp", order.exp, command.exp),
        ("sessions", order.sessions, getattr(said, "sessions", ())),
        ("segments", order.segments, getattr(said, "segments", ())),
        ("until", order.until, getattr(said, "until", None)),
        ("metered", order.metered, getattr(said, "metered", False)),
    ):
        if ours != theirs:
            yield name
