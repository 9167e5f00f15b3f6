"""班次完整性 · shift completeness: one line per range of time from beginning to end, with nothing in between.

Adjacent stretches of one kind are one range (an hour of recording is one line, not sixty segments); a seam, which is
shorter than half a second, belongs to the range before it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from recorder.evidence.verify.report import LineReport, ShiftReport


@dataclass(frozen=True, slots=True)
class Range:
    """``start``/``end``: seconds since 1970 by the shift's own clock claims; ``refs``: segments or gaps in it, in order."""

    kind: str
    start: float
    end: float
    length_us: int
    refs: tuple[str, ...]


def ranges(shift: ShiftReport, line: LineReport) -> tuple[Range, ...]:
    """The whole shift of one camera. Every range begins where the one before it ended."""
    found: list[tuple[str, int, int, list[str]]] = []
    for stretch in line.stretches:
        refs = [stretch.ref] if stretch.ref else []
        if found and (stretch.kind == found[-1][0] or stretch.kind == "seam"):
            kind, start, _, known = found[-1]
            found[-1] = kind, start, stretch.end_us, _added(known, refs)
        else:
            found.append((stretch.kind, stretch.start_us, stretch.end_us, refs))
    return tuple(
        Range(kind, shift.start + start / 1e6, shift.start + end / 1e6, end - start, tuple(refs))
        for kind, start, end, refs in found
    )


def _added(known: list[str], refs: Sequence[str]) -> list[str]:
    return [*known, *(ref for ref in refs if ref not in known[-1:])]
