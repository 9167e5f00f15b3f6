"""What the agency ordered is accepted within its term and once, by the wall clock of the record that accepts it.

What happens while the disk refuses is written when it does so no more, and dated then: a record that was kept waiting is
not held against its term.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from recorder.evidence import formatting
from recorder.evidence import records as r
from recorder.evidence.commands import SKEW_S
from recorder.evidence.verify.bounds import CLOCK_TOLERANCE_S
from recorder.evidence.verify.chain import Link
from recorder.evidence.verify.findings import Findings

_DISK_REFUSES = frozenset({"storage-fault", "signing-fault"})


@dataclass(frozen=True, slots=True)
class _Late:
    """An ``accepted`` outside its term, unless the disk kept the record waiting. ``uptime_us``: when it was written."""

    seq: int
    uptime_us: int
    bootseed: str
    times: str
    term: str


@dataclass(slots=True)
class OrderTerms:
    """Feed the faults of the journal, then :meth:`finish`."""

    findings: Findings
    _accepted: dict[tuple[bool, str], int] = field(default_factory=dict)
    _late: list[_Late] = field(default_factory=list)
    _waited: tuple[str, int] = ("", -1)
    """Boot and moment of the newest record that the disk had kept waiting."""

    def once(self, link: Link, order_id: str, *, assignment: bool = False) -> None:
        """``link`` accepts the order ``order_id``; an assignment may have the id of a command."""
        before = self._accepted.setdefault((assignment, order_id), link.seq)
        if before != link.seq:
            self.findings.add("command-repeated", f"record {link.seq}", seq=link.seq, before=before)

    def accepted(self, order_id: str, *, assignment: bool = False) -> bool:
        """Whether a record accepted it so far."""
        return (assignment, order_id) in self._accepted

    def in_term(self, link: Link, common: r.Common, iat: float, exp: float) -> None:
        """``link`` accepts what is good from ``iat`` to ``exp`` (seconds since 1970)."""
        begins, ends = iat - SKEW_S - CLOCK_TOLERANCE_S, exp + CLOCK_TOLERANCE_S
        if begins <= common.iat < ends or self._kept_waiting(common):
            return
        term = f"{formatting.wall(iat)} – {formatting.wall(exp)}"
        self._late.append(_Late(link.seq, common.uptime_us, common.bootseed, formatting.wall(common.iat), term))

    def fault(self, common: r.Common, record: r.Fault) -> None:
        """What was written late is no finding."""
        refused = record.component == "journal" and record.code in _DISK_REFUSES and record.phase == "onset"
        if not refused or common.uptime_us - record.onset_us < CLOCK_TOLERANCE_S * 1e6:
            return
        self._waited = common.bootseed, common.uptime_us
        self._late = [
            late
            for late in self._late
            if late.bootseed != common.bootseed or not record.onset_us <= late.uptime_us <= common.uptime_us
        ]

    def finish(self) -> None:
        """After the last record."""
        for late in self._late:
            self.findings.add(
                "command-out-of-term", f"record {late.seq}", seq=late.seq, times=late.times, term=late.term
            )

    def _kept_waiting(self, common: r.Common) -> bool:
        bootseed, until_us = self._waited
        return common.bootseed == bootseed and common.uptime_us - until_us < CLOCK_TOLERANCE_S * 1e6
