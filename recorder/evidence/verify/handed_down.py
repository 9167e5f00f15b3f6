"""Assignments (指派) and pushed configurations (下发的配置) a journal says came from the agency: its own line, sealed in
the record, against its command key; and that who signed in by an assignment is whom the agency named.

To which groups a unit belongs is no part of the journal: of a configuration for a group, that it was for this unit is the
unit's word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from recorder.evidence import records as r
from recorder.evidence.assignments import TYP as ASSIGNMENT
from recorder.evidence.assignments import Assignment
from recorder.evidence.config_order import ConfigOrder
from recorder.evidence.desired import TYP as CONFIG
from recorder.evidence.desired import Desired
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.verify.agency_lines import AgencyLines
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings
from recorder.evidence.verify.opened import SealedFields
from recorder.evidence.verify.order_terms import OrderTerms

FIELD = "agency_line.signed"


@dataclass(slots=True)
class HandedDown:
    """``whole``: whether no line was lost so far: what is missing may have stood there."""

    lines: AgencyLines
    terms: OrderTerms
    findings: Findings
    whole: Callable[[], bool]
    _officers: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By assignment: name and certificate number the agency signed."""
    _bare: int = 0

    def assignment(self, link: Link, unit_id: str, common: r.Common, record: r.Command) -> None:
        """A ``command`` record ``assign``."""
        if record.result == "accepted":
            self.terms.once(link, record.command_id, assignment=True)
        line = self._line(link, record)
        if line is None:
            return
        signed = self.lines.read(link, line.kid, FIELD, line.signed, ASSIGNMENT, Assignment, unit_id)
        if signed is None or not self.lines.agrees(link, _named(("command_id", record.command_id, signed.jti))):
            return
        if record.result == "accepted":
            self.terms.in_term(link, common, signed.iat, signed.exp)
            self._officers[signed.jti] = signed.name, signed.cert_no

    def configuration(self, link: Link, unit_id: str, record: r.Command, order: ConfigOrder) -> None:
        """A ``command`` record of a pushed configuration that was considered: ``order``, as the record says."""
        line = self._line(link, record)
        if line is None:
            return
        signed = self.lines.read(link, line.kid, FIELD, line.signed, CONFIG, Desired, unit_id)
        if signed is None:
            return
        differences = _named(
            ("command_id", record.command_id, signed.jti),
            ("version", order.version, signed.version),
            ("digest", order.digest, sha256_b64u(signed.toml.encode("utf-8"))),
        )
        self.lines.agrees(link, differences)

    def signed_in(self, link: Link, record: r.OfficerSignIn, value: object | None) -> None:
        """``value``: of the record's sealed officer, None when it stays closed."""
        given = record.assignment_id
        if given is None:
            return
        if not self.terms.accepted(given, assignment=True):
            self._unsigned(link, record.TYP)
            return
        if value is None and record.officer.plain is not None:  # with sealing off it stands there, whoever looks
            value = SealedFields((), self.findings).open_field(link.seq, "officer", record.officer)
        named = self._officers.get(given)
        if named is not None and isinstance(value, dict) and (value.get("name"), value.get("cert_no")) != named:
            self.findings.add("command-altered", f"record {link.seq}", seq=link.seq, fields="officer")

    def finish(self) -> None:
        """After the last record."""
        if self._bare:
            self.findings.add("command-text-absent", "commands", count=self._bare)

    def _line(self, link: Link, record: r.Command) -> r.AgencyLine | None:
        """Recorders wrote no line before the records had a place for one: that is said, and no more can be. Where the
        place is there and empty, something had its effect and nothing the agency signed."""
        if record.agency_line is None and record.result == "accepted":
            if "agency_line" in record.model_fields_set:
                self._unsigned(link, record.name)
            else:
                self._bare += 1
        return record.agency_line

    def _unsigned(self, link: Link, name: str) -> None:
        if self.whole():
            self.findings.add("command-unsigned", f"record {link.seq}", seq=link.seq, name=name)


def _named(*fields: tuple[str, object, object]) -> list[str]:
    """The names of those in which record and line differ."""
    return [name for name, ours, theirs in fields if ours != theirs]
