"""What truly happened in a shift, kept by the world and not by the recorder: the promises are judged against this.

Times are true time (µs since the beginning of the simulation) unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Boot:
    """One boot: boot-time 0 was at ``began_us``."""

    boot_id: str
    began_us: int


@dataclass(slots=True)
class DurableEntry:
    """Bytes the medium has taken (a sync returned). ``media``: true time the frames in it cover."""

    segment_id: str
    entry: int
    offset: int
    length: int
    sha256: str
    media: Span
    at_us: int
    acked: bool = False


@dataclass(slots=True)
class SegmentTruth:
    segment_id: str
    session_id: str
    camera_id: str
    role: str
    sealed: bool
    entries: list[DurableEntry] = field(default_factory=list)

    @property
    def durable_end(self) -> int:
        return max((entry.offset + entry.length for entry in self.entries), default=0)


@dataclass(frozen=True, slots=True)
class Loss:
    """Recording stopped at once. ``until_us``: how far durable media reached, ``frames_us``: how far the camera had seen;
    ``slow_us``: what the card itself owed at that moment."""

    at_us: int
    camera_id: str
    until_us: int
    frames_us: int
    slow_us: int


Tamper = Literal["rot", "deleted"]


@dataclass(slots=True)
class Truth:
    """``excused``: when a camera could not record, and why. ``wanted``: when the officer wanted a recording."""

    boots: dict[str, Boot] = field(default_factory=dict)
    segments: dict[str, SegmentTruth] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    powered: list[Span] = field(default_factory=list)
    running: list[Span] = field(default_factory=list)
    wanted: list[Span] = field(default_factory=list)
    excused: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)
    durable_lines: dict[int, str] = field(default_factory=dict)
    rotten: dict[str, list[int]] = field(default_factory=dict)
    never_signed: set[str] = field(default_factory=set)
    """Of those the ones no record spoke for when the bit rotted: a file the card's errors kept from being reported. Its
    digest is taken later, of what lies there then, and nobody can name what was lost before."""
    removed: list[tuple[int, str, bool]] = field(default_factory=list)
    """(when, segment id, whether the store held exactly those bytes and had given its receipt)."""
    overcut: list[str] = field(default_factory=list)
    internal: list[str] = field(default_factory=list)
    """Errors of the recorder's own code: each is a violation, whatever else went well."""
    counts: dict[str, int] = field(default_factory=dict)
    speech: list[Span] = field(default_factory=list)
    """When somebody spoke."""
    names: list[str] = field(default_factory=list)
    """Personal words that must not stand readable on the unit."""

    def count(self, what: str, number: int = 1) -> None:
        self.counts[what] = self.counts.get(what, 0) + number

    def excuse(self, camera_id: str, since_us: int, until_us: int, why: str) -> None:
        self.excused.setdefault(camera_id, []).append((since_us, until_us, why))

    def true_of(self, bootseed: str, at_us: int) -> int:
        """True time of a boot-time."""
        return self.boots[bootseed].began_us + at_us
