"""What a measurement is: values, limits, a line of the table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["aim", "hold", "broken", "info"]


class Unavailable(Exception):
    """A row cannot be measured here; the message says why, in Chinese and English. ``program``: the one that is missing."""

    def __init__(self, reason: str, program: str | None = None) -> None:
        super().__init__(reason)
        self.program = program


class MeasurementError(Exception):
    """What was to be measured did not do its work; the message names the command and what it said."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, smallest and largest of ``count`` values."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Raises MeasurementError for no values at all: a median of nothing is no number."""
        if not values:
            raise MeasurementError("没有测量值 no values were measured")
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Limit:
    """``op value``, as design §10 gives it."""

    op: Literal["<=", ">="]
    value: float

    def met(self, value: float) -> bool:
        return value <= self.value if self.op == "<=" else value >= self.value


@dataclass(frozen=True, slots=True)
class Line:
    """One measured number. ``value`` is what is judged against ``hold`` (the gate) and ``aim``; ``spread`` shows where it
    comes from. ``ours`` and ``peer``: both sides as text. ``unit``: of value and limits (``×`` for a ratio). ``note_*``:
    how it was taken, for below the table."""

    row: str
    zh: str
    en: str
    unit: str
    value: float
    spread: Spread | None = None
    ours: str = ""
    peer: str = ""
    hold: Limit | None = None
    aim: Limit | None = None
    note_zh: str = ""
    note_en: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.hold is not None and not self.hold.met(self.value):
            return "broken"
        if self.aim is not None and self.aim.met(self.value):
            return "aim"
        return "hold" if self.hold is not None else "info"


@dataclass(frozen=True, slots=True)
class Missing:
    """A row without a number. ``program``: the program that would be needed; None when something else is the matter."""

    row: str
    zh: str
    en: str
    reason: str
    program: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run. ``machine``: (name, value) pairs describing it, without names of hosts or people."""

    machine: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    missing: tuple[Missing, ...]
    quick: bool
    minutes: float

    @property
    def broken(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.verdict == "broken")
