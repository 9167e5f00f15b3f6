"""Every record type of the journal, as models: the single source for writer, verifier, JSON schema and docs/formats.md.

A journal line is a JWS whose protected header ``typ`` is the record type and whose payload is ``Common`` plus the fields
of the type's model here. Names follow JOSE/JWT (RFC 7515/7519) and, for device state, EAT (RFC 9711). Digests are
SHA-256 as base64url without padding. ``*_us`` are microseconds of CLOCK_BOOTTIME in the boot named by ``bootseed``.
Types that later features fill are defined here all the same, so that a verifier written today reads tomorrow's journal.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, TypeAlias

from recorder.evidence.base import Count as Count
from recorder.evidence.base import Digest as Digest
from recorder.evidence.base import Micros as Micros
from recorder.evidence.base import Model as Model
from recorder.evidence.base import SealedField as SealedField
from recorder.evidence.base import Uuid as Uuid
from recorder.evidence.carried import Carried as Carried
from recorder.evidence.command_book import CommandResult as CommandResult
from recorder.evidence.matter import Matter as Matter
from recorder.evidence.matter import Mode as Mode
from recorder.evidence.matter import SessionContext as SessionContext
from recorder.evidence.matter import StopReason as StopReason

LegalCause = Literal["设备故障", "天气恶劣", "人为阻挠", "其他客观原因"]
"""The classes of art. 23. The machine never picks 人为阻挠 or 天气恶劣: those are a person's statement."""

InterruptionCause = Literal[
    "camera-stall",
    "camera-unplugged",
    "camera-fault",
    "microphone-fault",
    "storage-fault",
    "storage-full",
    "power-loss",
    "low-battery",
    "thermal",
    "worker-crash",
    "worker-late",
    "process-crash",
    "buffer-overflow",
    "lens-covered",
    "operator-stop",
    "remote-stop",
    "unknown",
]


class ClockClaim(Model):
    """What the wall clock was worth when the record was written (design §7)."""

    source: Literal["gnss", "nts", "ntp", "rtc", "none"]
    synchronized: bool
    max_error_ms: float | None


class Common(Model):
    """The fields every record begins with."""

    ver: Literal[1]
    journal_id: Uuid
    seq: Count
    prev: Digest | None
    iat: float
    uptime_us: Micros
    bootcount: Count
    bootseed: Uuid
    clock: ClockClaim


class Record(Model):
    """Base of the type-specific part. ``TYP`` is the JWS header's ``typ``."""

    TYP: ClassVar[str]


class Boot(Record):
    """First record of every start of the unit process: who and what speaks from here on."""

    TYP = "boot"
    ueid: str
    unit_id: str
    hwmodel: str
    hwversion: str
    swname: str
    swversion: str
    hash_alg: Literal["sha-256"]
    x5c: tuple[str, ...]
    previous_end: Literal["first", "clean", "unclean"]
    same_boot: bool


class Recovery(Record):
    """What an unclean end left behind and what was done with it. One per torn journal and one per unclosed segment.

    ``kept_bytes`` whole age chunks stay in the file (``sha256`` is the digest of the kept file); ``torn_bytes`` behind
    them were moved to ``torn_file``. ``unsigned``: the range that was durable but not yet signed when power went.
    """

    TYP = "recovery"
    subject: Literal["journal", "segment"]
    reason: Literal["unclean-stop", "worker-exit", "io-error"]
    session_id: Uuid | None = None
    segment_id: Uuid | None = None
    camera_id: str | None = None
    outcome: Literal["kept", "empty", "missing"]
    signed_entries: Count = 0
    last_signed_offset: Count = 0
    kept_bytes: Count = 0
    torn_bytes: Count = 0
    torn_digest: Digest | None = None
    torn_file: str | None = None
    sha256: Digest | None = None
    unsigned: UnsignedRange | None = None


class UnsignedRange(Model):
    offset: Count
    length: Count
    sha256: Digest


class Checkpoint(Record):
    """First record of every journal file but the very first, and each N records: where a start may begin to verify.

    ``state`` is what a start needs without reading further back; one without it is no place to begin. After a storage
    error the new file repeats, byte for byte, the lines whose durability is unknown; its checkpoint follows them.
    """

    TYP = "checkpoint"
    reason: Literal["rotation", "interval"]
    shift_id: Uuid | None
    session_id: Uuid | None
    session_index: Count
    open_segments: tuple[str, ...]
    open_gaps: tuple[str, ...]
    state: Carried | None = None


class ShiftStart(Record):
    TYP = "shift-start"
    shift_id: Uuid
    trigger: Literal["auto", "officer", "remote"]


class ShiftEnd(Record):
    TYP = "shift-end"
    shift_id: Uuid
    trigger: Literal["power-off", "officer", "remote"]


class OfficerSignIn(Record):
    """``officer``: sealed ``{name, cert_no}`` (姓名, 执法证号, art. 9). ``assignment_id``: the signed assignment
    it rests on; None for what was only typed in."""

    TYP = "officer-sign-in"
    shift_id: Uuid
    officer: SealedField
    officer_ref: Digest
    method: Literal["command", "remote", "qr"]
    count: Count
    assignment_id: Uuid | None = None


class OfficerSignOut(Record):
    """``cause`` ``restart``: nobody signed out, the unit lost power and with it the names it may not keep on its disk."""

    TYP = "officer-sign-out"
    shift_id: Uuid
    officer_ref: Digest
    count: Count
    cause: Literal["officer", "restart"] = "officer"


class Standby(Record):
    """An interval in which the unit was on and not recording: signed, so that it cannot be confused with a loss."""

    TYP = "standby"
    shift_id: Uuid | None
    from_us: Micros
    to_us: Micros


class SessionStart(Record):
    """录制开始. ``last_receipt``: digest of the newest believed receipt, proves "not before" (its ``iat``). ``mode`` and
    ``matter`` as known at the start; an ``event`` ``session-context`` changes them."""

    TYP = "session-start"
    session_id: Uuid
    shift_id: Uuid | None
    trigger: Literal["button", "command", "remote", "ignition", "resume"]
    resumes: Uuid | None
    at_us: Micros
    cameras: tuple[str, ...]
    officers: Count
    matter: Matter | None
    last_receipt: Digest | None
    mode: Mode | None = None


class Media(Model):
    mime: Literal["video/mp4"]
    codecs: str
    width: Count
    height: Count
    frame_rate: float
    audio_rate: Count | None


class Encryption(Model):
    format: Literal["age-v1", "none"]
    recipients: tuple[str, ...]


class SegmentOpen(Record):
    """A segment file begins. ``media_start_us``: exposure of its first frame."""

    TYP = "segment-open"
    session_id: Uuid
    segment_id: Uuid
    segment_index: Count
    camera_id: str
    role: Literal["live", "preroll", "postroll"]
    media_start_us: Micros
    media: Media
    encryption: Encryption
    overlay: SealedField | None


Entry = tuple[Count, Count, Digest, Digest, Micros]
"""``[offset, length, sha256_stored, sha256_plain, media_end_us]`` of one entry of a segment file. Entry 0 is the age
header with ``ftyp`` and ``moov`` (its ``media_end_us`` is the segment's start); the last is age's final chunk."""


class Head(Record):
    """Signs entries ``first`` … of a segment. Written only after they are durable: signed implies durable."""

    TYP = "head"
    segment_id: Uuid
    first: Count
    entries: tuple[Entry, ...]


class SegmentClose(Record):
    """A segment file ended. ``sha256`` of the stored file, ``plaintext_sha256`` of what ``age -d`` gives."""

    TYP = "segment-close"
    session_id: Uuid
    segment_id: Uuid
    camera_id: str
    reason: Literal["split", "stop", "preroll-complete", "camera-fault", "shutdown", "overflow"]
    entries: Count
    size: Count
    sha256: Digest
    plaintext_size: Count
    plaintext_sha256: Digest
    media_start_us: Micros
    media_end_us: Micros
    frames: Count
    dropped_frames: Count
    audio_gaps_us: Micros
    fix_seconds: Count


class SessionStop(Record):
    """录制结束. ``stated``: why, where the mode asks for it (全程, art. 20)."""

    TYP = "session-stop"
    session_id: Uuid
    reason: Literal["button", "command", "remote", "ignition", "shutdown", "abandoned"]
    at_us: Micros
    segment_count: Count
    stated: StopReason | None = None


class Fault(Record):
    """One fault from onset to end, with its evidence: two records with the same ``fault_id``."""

    TYP = "fault"
    fault_id: Uuid
    code: str
    phase: Literal["onset", "end"]
    component: str
    onset_us: Micros
    evidence: dict[str, Any]


class Interruption(Record):
    """中断 (art. 23): from the last media of the camera on, nothing signed covers the time. ``from_us`` belongs to boot
    ``from_bootseed``, which differs from the record's own after a power loss."""

    TYP = "interruption"
    gap_id: Uuid
    session_id: Uuid
    camera_id: str
    cause: InterruptionCause
    detail: str
    from_us: Micros
    from_bootseed: Uuid
    last_segment_id: Uuid | None


class Resumption(Record):
    """恢复: the first media after the gap. ``duration_us`` is exact within a boot, else the wall clock's claim."""

    TYP = "resumption"
    gap_id: Uuid
    session_id: Uuid
    camera_id: str
    segment_id: Uuid
    to_us: Micros
    duration_us: Micros
    duration_basis: Literal["boottime", "wall"]


class SpeechSpan(Model):
    """Speech within one segment, bound to the fragments that hold it.

    ``start_us``/``end_us``: from when to when somebody spoke, in boot-time of the record's boot. ``first``/``last``: the
    entries of the segment's file that overlap it, ``start_offset``/``end_offset`` their bytes in the stored file,
    ``sha256`` the digest over their stored digests (``encoding.sha256_of_digests``), as the ``head`` records have them.
    """

    segment_id: Uuid
    start_us: Micros
    end_us: Micros
    first: Count
    last: Count
    start_offset: Count
    end_offset: Count
    sha256: Digest


class Explanation(Record):
    """语音说明: the officer's spoken reason, bound to the gap and to the digests on both its sides.

    ``confirmed``: ``button`` the officer pressed mark after speaking (``mark_id``), ``speech`` it was only detected,
    ``choice`` a legal class was chosen, nothing was said. ``counts``: with it the gap is explained by the rule of the
    configuration in force. ``before_sha256``: last entry of the gap's ``last_segment_id`` signed before the
    ``interruption``; ``after_sha256``: entry 1, the first fragment, of the segment that resumed.
    """

    TYP = "explanation"
    gap_id: Uuid
    confirmed: Literal["button", "speech", "choice"]
    counts: bool
    mark_id: Uuid | None
    legal_cause: LegalCause | None
    speech: tuple[SpeechSpan, ...]
    before_sha256: Digest | None
    after_sha256: Digest | None


class Note(Record):
    """语音备注: a voice note, the same object as an explanation without a gap. Without ``speech`` nothing was heard."""

    TYP = "note"
    note_id: Uuid
    session_id: Uuid
    from_us: Micros
    to_us: Micros
    ended: Literal["press", "silence", "maximum", "interruption", "stop"]
    speech: tuple[SpeechSpan, ...]


class Signer(Model):
    """One officer under a written statement. ``certificate``: ``signature`` seals the officer's own JWS (docs/formats.md
    §9); ``scanned-sheet``: signed by hand, and the admin's JWS in ``Statement.bound_by`` says who did."""

    officer_ref: Digest
    method: Literal["certificate", "scanned-sheet"]
    signature: SealedField | None


class Statement(Record):
    """《音像记录中断情况说明》 (art. 23): binds the document, the gap and two or more different officers.

    ``document_sha256``: of the document as it was signed. It lies in ``statements/``, sealed like a segment;
    ``stored_sha256`` and ``stored_size`` are those of the stored file.
    """

    TYP = "statement"
    statement_id: Uuid
    gap_id: Uuid
    legal_cause: LegalCause
    document_sha256: Digest
    document_size: Count
    document_type: str
    stored_sha256: Digest
    stored_size: Count
    sealed: bool
    signers: tuple[Signer, ...]
    bound_by: SealedField | None


class Mark(Record):
    """重点标记 at a moment of a session. ``kind``: ``key`` from the button, or one of the typed marks."""

    TYP = "mark"
    mark_id: Uuid
    session_id: Uuid
    kind: str
    at_us: Micros
    segment_ids: tuple[str, ...]


class DeadlineBasis(Record):
    """Art. 24 ¶2: one of exactly five reasons, or the return that starts the 24 hours again."""

    TYP = "deadline-basis"
    basis: Literal["连续执法", "异地执法", "边远地区执法", "水上执法", "交通不便地区执法", "returned"]
    declared_by: Digest | None
    sessions: tuple[str, ...]


CommandSource: TypeAlias = Literal["control-socket", "uplink", "mqtt", "qr"]


class Ordered(Model):
    """Of a command the agency signed: what the uplink and a reader have to know of it without opening anything. ``signed``:
    the agency's own line, sealed, for it may name people. ``kid``: of the key that signed it; ``iat`` ``exp``: its term;
    ``sessions segments until metered``: of a ``grant`` or ``refetch-receipt``."""

    kid: Digest
    iat: float
    exp: float
    signed: SealedField
    sessions: tuple[Uuid, ...] = ()
    segments: tuple[Uuid, ...] = ()
    until: float | None = None
    metered: bool = False


class AgencyLine(Model):
    """Of an assignment or a pushed configuration. ``signed``: the agency's own line (JWS) as it came, sealed, for it may
    name people or what is the agency's business alone; ``kid``: of the key that signed it."""

    kid: Digest
    signed: SealedField


class Command(Record):
    """A command from afar, from the control socket (``uplink``: from the uplink's user there) or from a code shown to the
    lens, and what became of it. One the agency signed has two: ``accepted`` with its ``order``, before anything it causes,
    and then ``done``, ``refused`` or ``failed``; one refused at once has a single record. ``agency_line``: of an assignment
    that was accepted, and of a pushed configuration that was considered."""

    TYP = "command"
    command_id: str
    source: CommandSource
    name: str
    result: CommandResult
    detail: str
    order: Ordered | None = None
    agency_line: AgencyLine | None = None


class Event(Record):
    """Something worth signing that is no fault: ``night-on``, ``night-off``, ``clock-step``, ``lens-…``, ``access``."""

    TYP = "event"
    event: str
    at_us: Micros
    detail: dict[str, Any]


class Config(Record):
    """The configuration in force from here on: its digest and where its layers came from."""

    TYP = "config"
    sha256: Digest
    layers: tuple[str, ...]
    status: Literal["applied", "refused", "fallback"]
    errors: tuple[str, ...]


class ReceiptRecord(Record):
    """A receipt the unit verified and believes; ``jws`` is the store's own line."""

    TYP = "receipt"
    receipt_id: str
    receipt_digest: Digest
    jws: str


class Release(Record):
    """The signed tombstone of a released segment. Written and durable *before* the file is removed."""

    TYP = "release"
    session_id: Uuid
    segment_id: Uuid
    size: Count
    sha256: Digest
    receipt_digest: Digest
    reason: Literal["free-space"]


RECORD_TYPES: dict[str, type[Record]] = {
    model.TYP: model
    for model in (
        Boot,
        Recovery,
        Checkpoint,
        ShiftStart,
        ShiftEnd,
        OfficerSignIn,
        OfficerSignOut,
        Standby,
        SessionStart,
        SegmentOpen,
        Head,
        SegmentClose,
        SessionStop,
        Fault,
        Interruption,
        Resumption,
        Explanation,
        Note,
        Statement,
        Mark,
        DeadlineBasis,
        Command,
        Event,
        Config,
        ReceiptRecord,
        Release,
    )
}


LockMode = Literal["compliance", "immutable", "none"]
"""``compliance``: nobody can delete or shorten before the date, as S3 Object Lock in that mode. ``immutable``: a file
system's immutable flag, which the machine's administrator can take away. ``none``: only the agency's word."""


class StoredSegment(Model):
    """One segment as the store holds it. ``object``/``version``: where; ``lock``: until when nobody may delete it."""

    segment_id: Uuid
    session_id: Uuid
    sha256: Digest
    size: Count
    object: str
    version: str
    lock_mode: LockMode
    retain_until: float
    stored_at: float


class StoredStatement(Model):
    """The document of a written statement (``statement`` record) as the store holds it; fields as of a segment."""

    statement_id: Uuid
    sha256: Digest
    size: Count
    object: str
    version: str
    lock_mode: LockMode
    retain_until: float
    stored_at: float


class Receipt(Model):
    """储存回执, payload of a JWS (``typ`` = ``receipt``, ES256, ``kid`` = the store key's RFC 7638 thumbprint).

    ``head_seq``/``head_digest`` (SHA-256 of that whole line) anchor the journal; ``segments`` may be empty (heads only).
    ``gaps``: (first, last) ``seq`` of lines below the head that the unit had lost and the store never had. ``statements``
    and ``gaps`` are left out of the JWS when there are none.
    ``tst``: optional RFC 3161 token over ``head_digest``, base64.
    """

    ver: Literal[1]
    iss: str
    iat: float
    jti: Uuid
    unit_id: str
    device_kid: str
    journal_id: Uuid
    head_seq: Count
    head_digest: Digest
    segments: tuple[StoredSegment, ...]
    statements: tuple[StoredStatement, ...] = ()
    gaps: tuple[tuple[Count, Count], ...] = ()
    tst: str | None = None


Recovery.model_rebuild()
