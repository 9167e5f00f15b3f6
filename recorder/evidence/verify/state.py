"""What is kept of a journal while it is read: a few hundred bytes per segment, gap and session, nothing per line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recorder.evidence.verify.scene import Scene

from recorder.evidence.records import SpeechSpan, Statement

SegmentState = Literal["open", "closed", "recovered", "empty", "lost"]


@dataclass(frozen=True, slots=True, order=True)
class At:
    """A moment: microseconds of CLOCK_BOOTTIME in the ``boot``-th boot of the journal. Orders across boots."""

    boot: int
    us: int


@dataclass(slots=True)
class Boot:
    """One boot of the unit as its records show it. ``*_iat`` are the wall clock's claims, seconds since 1970."""

    bootseed: str
    bootcount: int
    first_seq: int
    first_us: int
    first_iat: float
    last_us: int
    last_iat: float

    def wall(self, us: int) -> float:
        """Wall-clock claim for ``us``, carried over from the nearer of the boot's first and last record."""
        if abs(us - self.first_us) < abs(us - self.last_us):
            return self.first_iat + (us - self.first_us) / 1e6
        return self.last_iat + (us - self.last_us) / 1e6


@dataclass(slots=True)
class Claims:
    """Wall-clock claims of a stretch of records, and what bounds them from below (a receipt or the certificate)."""

    first_seq: int
    first_iat: float
    lower: float | None
    last_seq: int
    last_iat: float
    lowest: float
    highest: float

    @classmethod
    def begin(cls, seq: int, iat: float, lower: float | None) -> Claims:
        return cls(seq, iat, lower, seq, iat, iat, iat)

    def extend(self, seq: int, iat: float) -> None:
        self.last_seq, self.last_iat = seq, iat
        self.lowest, self.highest = min(self.lowest, iat), max(self.highest, iat)


@dataclass(slots=True)
class Segment:
    """One segment as the journal tells it. Offsets and sizes in bytes of the stored file."""

    segment_id: str
    session_id: str
    camera_id: str
    role: str
    sealed: bool
    boot: int
    start_us: int
    end_us: int
    claims: Claims
    file: int
    """Journal file and byte offset of its first record: where to read its heads again."""
    offset: int
    kid: str
    index: int = 0
    state: SegmentState = "open"
    entries: int = 0
    signed_end: int = 0
    size: int = 0
    sha256: str | None = None
    plain_sha256: str | None = None
    plain_size: int = 0
    frames: int | None = None
    release: str | None = None
    """Digest of the receipt its tombstone names."""

    @property
    def file_name(self) -> str:
        return f"segments/{self.session_id}/{self.segment_id}.mp4{'.age' if self.sealed else ''}"


@dataclass(slots=True)
class Session:
    session_id: str
    shift_id: str | None
    trigger: str
    start: At
    cameras: tuple[str, ...]
    officers: int
    claims: Claims
    stop: At | None = None
    stop_reason: str | None = None
    marks: int = 0
    segments: int = 0


@dataclass(slots=True)
class Gap:
    """An interruption (中断). ``duration_us`` and ``basis`` as the resumption signed them."""

    gap_id: str
    session_id: str
    camera_id: str
    cause: str
    seq: int
    start: At
    end: At | None = None
    resumed: bool = False
    duration_us: int | None = None
    basis: str | None = None
    explained: bool = False
    """An explanation that counts and holds."""
    stated: bool = False
    declared: bool = False
    """A ``cannot-resume`` event names it."""
    segment_id: str | None = None
    """The segment that resumed."""
    before: tuple[str, int] | None = None
    """Segment with the last entry signed before it, and how many it had."""
    legal_cause: str | None = None
    confirmed: str | None = None
    speech_us: int = 0


@dataclass(slots=True)
class Spoken:
    """An ``explanation`` (with ``gap_id``) or a ``note``. ``signed``: entries its segments had then; ``after_signed``: the
    first fragment behind the gap was signed; ``pressed``: the press that confirmed it."""

    seq: int
    session_id: str
    boot: int
    speech: tuple[SpeechSpan, ...]
    signed: dict[str, int]
    whole: bool
    gap_id: str | None = None
    confirmed: str = ""
    counts: bool = False
    before: str | None = None
    after: str | None = None
    after_signed: bool = False
    pressed: At | None = None
    from_us: int = 0
    to_us: int = 0


@dataclass(slots=True)
class Shift:
    shift_id: str
    start: At
    start_iat: float
    end: At | None = None
    end_iat: float | None = None


@dataclass(slots=True)
class Interval:
    """A signed stretch without recording: ``standby``, or ``off`` (the unit was down)."""

    kind: Literal["standby", "off"]
    start: At
    end: At


@dataclass(slots=True)
class TornTail:
    """A torn end of the journal itself that a ``recovery`` record set aside."""

    seq: int
    file: str
    digest: str | None


@dataclass(slots=True)
class Officer:
    """An officer's sign-in (art. 9). ``name``/``cert_no`` only with an identity that opens them."""

    seq: int
    iat: float
    officer_ref: str
    name: str | None = None
    cert_no: str | None = None


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """A ``statement`` as it was written: record number, the unit's wall clock (seconds), and what it says."""

    seq: int
    iat: float
    record: Statement


@dataclass(slots=True)
class Basis:
    """A ``deadline-basis`` record (art. 24 ¶2). ``basis``: one of the five reasons, or ``returned``."""

    basis: str
    at: At
    sessions: frozenset[str]
    claims: Claims


@dataclass(slots=True)
class Ledger:
    """Everything the verifier keeps of one journal."""

    unit_id: str = ""
    hardware: str = ""
    software: str = ""
    records: int = 0
    last_seq: int = -1
    last_iat: float = 0.0
    boots: list[Boot] = field(default_factory=list)
    segments: dict[str, Segment] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    spoken: list[Spoken] = field(default_factory=list)
    prompts: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    """By boot: when the unit itself spoke, µs."""
    torn: list[TornTail] = field(default_factory=list)
    marks: int = 0
    faults: int = 0
    officers: list[Officer] = field(default_factory=list)
    scenes: dict[str, Scene] = field(default_factory=dict)
    bases: list[Basis] = field(default_factory=list)
    statements: list[StatementRecord] = field(default_factory=list)

    def at(self, at: At) -> float:
        """The wall clock's claim for a moment."""
        return self.boots[at.boot].wall(at.us)
