"""What a ``checkpoint`` carries so that a start need not read what lies before it.

These are statements of the unit about its own journal, derivable from the records before the checkpoint; a verifier that
reads the whole journal needs none of them. They are bounded: what grows with the number of segments stays out, because
a line has at most 1 MiB and a start at most two seconds.
"""

from __future__ import annotations

from typing import Literal

from recorder.evidence.base import Count, Digest, Micros, Model, SealedField, Uuid
from recorder.evidence.command_book import KnownCommand
from recorder.evidence.config_order import ConfigOrder
from recorder.evidence.matter import Matter, Mode
from recorder.evidence.warning_log import Warned


class Moment(Model):
    """``at_us`` of CLOCK_BOOTTIME in the boot ``bootseed``. ``wall``: the wall clock's claim for it, seconds since 1970,
    so that a duration across a boot can be claimed too."""

    at_us: Micros
    bootseed: Uuid
    wall: float


class OpenShift(Model):
    """The shift that has started and not ended; ``start`` is when its record was written."""

    shift_id: Uuid
    trigger: str
    start: Moment


class SignedIn(Model):
    """An officer signed in to the open shift."""

    officer_ref: Digest
    officer: SealedField
    method: str


class OpenSession(Model):
    """The recording session that has started and not stopped.

    ``next_index``: next ``segment_index`` by camera. ``media_end``: end of the last media signed for, by camera,
    and not before the newest resumption; a segment with no more than its header has none.
    ``last_segment``: by camera the segment that ``media_end`` lies in. ``segments``: the newest segment ids, at most 1024,
    oldest first.
    ``mode``, ``matter``: as last changed. ``marked``: the kinds of mark set so far, each once, at most 64.
    """

    session_id: Uuid
    start_seq: Count
    shift_id: Uuid | None
    trigger: str
    at: Moment
    cameras: tuple[str, ...]
    officers: Count
    next_index: dict[str, Count]
    media_end: dict[str, Moment]
    last_segment: dict[str, Uuid]
    segments: tuple[Uuid, ...]
    mode: Mode | None = None
    matter: Matter | None = None
    marked: tuple[str, ...] = ()


class NextSession(Model):
    """What was said beforehand of the next session."""

    mode: Mode | None = None
    matter: Matter | None = None


class OpenSegment(Model):
    """A segment opened and neither closed nor recovered. ``entries`` are signed, up to byte ``signed_end``."""

    session_id: Uuid
    segment_id: Uuid
    camera_id: str
    role: Literal["live", "preroll", "postroll"]
    segment_index: Count
    media_start_us: Micros
    media_end_us: Micros
    bootseed: Uuid
    sealed: bool
    entries: Count
    signed_end: Count


class OpenGap(Model):
    """An interruption without resumption in the open session. ``from_wall``: the wall clock's claim for ``from_us``."""

    gap_id: Uuid
    session_id: Uuid
    camera_id: str
    cause: str
    from_us: Micros
    from_bootseed: Uuid
    from_wall: float
    last_segment_id: Uuid | None


class SegmentTail(Model):
    """``sha256``: of the stored bytes of a segment's newest signed entry, None before the first."""

    segment_id: Uuid
    session_id: Uuid
    camera_id: str
    sha256: Digest | None


GapPhase = Literal["interrupted", "cannot-resume", "unexplained", "explained", "owed", "signed"]
"""INTERRUPTED · CANNOT_RESUME · RESUMED_UNEXPLAINED · RESUMED_EXPLAINED · STATEMENT_OWED · STATEMENT_SIGNED."""


class GapState(Model):
    """What the records say of one interruption (art. 23). ``from_wall``: the wall clock's claim for its beginning, None
    while nothing tells. ``resumed``: first media behind it, with ``segment_id``. ``before_sha256``/``after_sha256``: the
    entries on both its sides. ``declared``: a ``cannot-resume`` event names it. ``over``: its session has stopped."""

    gap_id: Uuid
    session_id: Uuid
    camera_id: str
    cause: str
    from_us: Micros
    from_bootseed: Uuid
    from_wall: float | None
    before_sha256: Digest | None
    resumed: Moment | None = None
    duration_us: Micros | None = None
    segment_id: Uuid | None = None
    after_sha256: Digest | None = None
    legal_cause: str | None = None
    declared: bool = False
    over: bool = False
    explained: bool = False
    stated: bool = False

    @property
    def phase(self) -> GapPhase:
        """Exactly one for every gap at every moment. A signed statement settles any; a resumption takes back that
        recording cannot go on; an interruption is owed a statement once the scene is over."""
        if self.stated:
            return "signed"
        if self.resumed is not None:
            return "explained" if self.explained else "unexplained"
        if self.over:
            return "owed"
        return "cannot-resume" if self.declared else "interrupted"

    @property
    def settled(self) -> bool:
        return self.phase in ("explained", "signed")


class OpenFault(Model):
    """A fault whose end is not recorded yet."""

    fault_id: Uuid
    code: str
    component: str
    onset: Moment


class BootClock(Model):
    """One boot: ``first_us`` and ``last_us`` of its records, ``offset_us``: wall minus boot-time as last known in it, a
    clock that was never set counting only when there is no better."""

    bootseed: Uuid
    first_us: Micros
    last_us: Micros
    offset_us: int


class Returned(Model):
    """A session whose 24 hours began anew at ``at`` (art. 24 ¶2)."""

    session_id: Uuid
    at: Moment


class FieldMode(Model):
    """What the ``deadline-basis`` records add up to: the ``reason`` declared and not yet returned from, ``since`` when, the
    sessions it was declared for, and those started again; the newest 1024 of each."""

    reason: str | None = None
    since: Moment | None = None
    covered: tuple[Uuid, ...] = ()
    returned: tuple[Returned, ...] = ()


class Carried(Model):
    """``quiet_until``: end of the last ``standby`` or ``unit-down`` interval, or session. ``torn_recorded``: the newest
    torn journal tails (names in ``journal/torn/``) that a ``recovery`` names, at most 16. ``clocks``: the newest boots, at
    most 32. ``interruptions``: the newest, at most 64, settled ones given up first; ``tails``: of the newest segments, at
    most 16. ``assignments``: ids of the newest accepted assignments, at most 128: none is taken twice.
    ``commands``: the newest that the agency signed, at most 64; ``commands_floor``: the newest ``iat`` of those
    forgotten. ``config_order``: the newest pushed configuration that was considered. ``warned``: the newest sessions whose
    24 hours were warned of, at most 128."""

    shift: OpenShift | None
    officers: tuple[SignedIn, ...]
    session: OpenSession | None
    segments: tuple[OpenSegment, ...]
    gaps: tuple[OpenGap, ...]
    faults: tuple[OpenFault, ...]
    quiet_until: Moment | None
    last_receipt: Digest | None
    config_sha256: Digest | None
    torn_recorded: tuple[str, ...]
    clocks: tuple[BootClock, ...] = ()
    field_mode: FieldMode = FieldMode()
    interruptions: tuple[GapState, ...] = ()
    tails: tuple[SegmentTail, ...] = ()
    next_session: NextSession | None = None
    assignments: tuple[Uuid, ...] = ()
    commands: tuple[KnownCommand, ...] = ()
    commands_floor: float | None = None
    config_order: ConfigOrder | None = None
    warned: tuple[Warned, ...] = ()
