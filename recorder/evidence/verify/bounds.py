"""What the wall clock's claims are worth: bounds from receipts and certificates, and steps nobody recorded. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

CLOCK_TOLERANCE_S = 5.0
"""Unit's and store's clocks may differ by so much before a claim counts as contradicted: GA/T 947 lets a recorder drift
3 s a day, and a receipt may be signed within milliseconds of the record."""

PROVEN_WITHIN_S = 7 * 86400.0
"""Bounds further apart than this prove little about a time: 7 days without a network is what a unit must survive."""

STEP_US = 250_000
"""A change of wall minus boot-time the unit records as ``clock-step`` (its own threshold)."""
SLEW = 0.0006
"""A disciplined clock is slewed by at most 500 ppm (adjtimex); anything faster is a step."""
STEP_RECORD_US = 15_000_000
"""The ``clock-step`` event comes this soon after the first record that shows the step."""


@dataclass(frozen=True, slots=True)
class TimeVerdict:
    """``lower``/``upper``: seconds since 1970 the store (or CA) vouches for. ``zh``/``en`` say why not proven."""

    proven: bool
    lower: float | None
    upper: float | None
    zh: str = ""
    en: str = ""


def judge(lowest: float, highest: float, lower: float | None, upper: float | None) -> TimeVerdict:
    """Claims from ``lowest`` to ``highest``: are they bounded on both sides, closely enough, and consistent?"""
    if upper is None:
        return TimeVerdict(False, lower, upper, "之后没有回执", "no receipt bounds it from above")
    if lower is None:
        return TimeVerdict(False, lower, upper, "之前没有回执", "no receipt bounds it from below")
    if lowest < lower - CLOCK_TOLERANCE_S or highest > upper + CLOCK_TOLERANCE_S:
        return TimeVerdict(False, lower, upper, "与回执的时间矛盾", "the receipts contradict it")
    if upper - lower > PROVEN_WITHIN_S:
        days = (upper - lower) / 86400
        return TimeVerdict(
            False, lower, upper, f"前后回执相隔 {days:.1f} 天", f"the receipts around it are {days:.1f} days apart"
        )
    return TimeVerdict(True, lower, upper)


@dataclass(slots=True)
class StepWatch:
    """Watches wall minus boot-time within each boot. Feed every record; ``unrecorded`` has (seq, µs) of the steps that no
    event named in time."""

    boot: int = -1
    us: int = 0
    offset_us: float = 0.0
    pending: tuple[int, float, int] | None = None
    """(seq, change in µs, boot-time) of a step whose event has not come yet."""
    unrecorded: list[tuple[int, float]] = field(default_factory=list)

    def update(self, seq: int, boot: int, us: int, iat: float, *, fresh: bool) -> None:
        """``fresh``: first record of a start, whose process could not have seen the step."""
        offset = iat * 1e6 - us
        if boot == self.boot and not fresh:
            change = offset - self.offset_us
            if abs(change) > STEP_US + SLEW * abs(us - self.us):
                self._give_up()
                self.pending = (seq, change, us)
        if boot != self.boot or fresh:
            self.pending = None  # the process that saw the step ended before it could record it
        elif self.pending is not None and us - self.pending[2] > STEP_RECORD_US:
            self._give_up()
        self.boot, self.us, self.offset_us = boot, us, offset

    def recorded(self) -> float | None:
        """A ``clock-step`` event: settles the pending step and returns its size in µs."""
        pending, self.pending = self.pending, None
        return pending[1] if pending is not None else None

    def _give_up(self) -> None:
        if self.pending is not None and len(self.unrecorded) < 1000:
            self.unrecorded.append(self.pending[:2])
        self.pending = None
