"""Findings and notes while they are gathered, and the axes that follow from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from recorder.evidence.formatting import printable
from recorder.evidence.verify.catalogue import AXES, KINDS, Axis

MAX_PER_CODE = 200
"""Findings of one code kept in full: hostile input must not fill memory. The rest is counted and bears on its axis."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. ``subject``: what it is about: ``record 17``, ``segment <id>``, ``file <name>``, ``gap <id>``, …"""

    code: str
    subject: str
    zh: str
    en: str

    @property
    def axis(self) -> Axis:
        return KINDS[self.code].axis

    @property
    def value(self) -> str | None:
        return KINDS[self.code].value

    def to_json(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "subject": self.subject,
            "axis": self.axis,
            "value": self.value,
            "zh": self.zh,
            "en": self.en,
        }


def worst(axis: Axis, values: list[str]) -> str:
    """The value that outweighs the others; the best one for none."""
    order = AXES[axis]
    return max(values, key=order.index, default=order[0])


@dataclass(slots=True)
class Findings:
    """Collects. ``add`` takes the fields the texts of the code need."""

    findings: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, code: str, subject: str, **fields: object) -> Finding:
        kind = KINDS[code]
        # Names of files and words of records are whatever somebody made them: they must not write lines of their own.
        shown = {name: printable(str(value)) for name, value in fields.items()}
        finding = Finding(code, printable(subject), kind.zh.format(**shown), kind.en.format(**shown))
        self.counts[code] += 1
        if self.counts[code] <= MAX_PER_CODE:
            (self.findings if kind.finding else self.notes).append(finding)
        return finding

    def axes(self) -> dict[Axis, str]:
        """Worst value per axis over everything found, the uncounted rest included."""
        values: dict[Axis, list[str]] = {axis: [] for axis in AXES}
        for code in self.counts:
            kind = KINDS[code]
            if kind.value is not None:
                values[kind.axis].append(kind.value)
        return {axis: worst(axis, found) for axis, found in values.items()}

    def found(self) -> int:
        """Number of findings, notes not counted."""
        return sum(count for code, count in self.counts.items() if KINDS[code].finding)
