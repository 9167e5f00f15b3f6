"""The messages between unit process and capture worker: one Unix stream socket per camera, one JSON object a line.

The worker connects to ``<run_dir>/capture/<camera_id>.sock`` and says ``hello``; a version it does not know ends the
connection. Every message carries ``v`` (protocol version), ``camera_id`` and ``at_us`` (CLOCK_BOOTTIME when it was
made). Reports that the journal must not miss (``opened entry closed speech qr fault``) carry a growing ``n``; the worker
keeps each until an ``ack`` with that ``n`` or a higher one says it is signed and durable. The muxing thread only
enqueues: it never waits for the socket. When the socket closes the worker closes its file and exits.

On msgspec, not pydantic: the worker needs nothing else of pydantic, which is 16 MB of the 80 it may have (measured).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec

PROTOCOL_VERSION = 1

T = TypeVar("T")


class MessageError(ValueError):
    """A line this version does not speak; the message names the field."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all carry. The type of each stands in ``kind``."""

    v: Literal[1] = 1
    camera_id: str
    at_us: int

    @property
    def kind(self) -> str:
        return str(self.__struct_config__.tag)


class Position(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    received_us: int
    latitude: float
    longitude: float
    altitude_m: float | None
    speed_mps: float | None
    course_deg: float | None
    quality: int
    satellites: int | None
    hdop: float | None


# --- unit -> worker --------------------------------------------------------------------------------------------------


class Start(Message, frozen=True, kw_only=True, tag="start"):
    """Record. The live segment starts at the newest keyframe not after now; the ring before it becomes the pre-roll
    segment when ``preroll``. ``next_index`` numbers the session's segments of this camera."""

    session_id: str
    next_index: int
    preroll: bool


class Stop(Message, frozen=True, kw_only=True, tag="stop"):
    """End the session after the post-event time; ``reason`` goes into the last ``closed``."""

    session_id: str
    reason: Literal["stop", "shutdown"]


class Telemetry(Message, frozen=True, kw_only=True, tag="telemetry"):
    """State of the world as the unit process knows it; older than 2 s when a fragment is written counts as stale."""

    position: Position | None
    lux: float | None
    night: bool
    lamp: bool
    battery_percent: float | None
    temperature_c: float | None


class Overlay(Message, frozen=True, kw_only=True, tag="overlay"):
    """Text of the watermark besides the time. Taken over at the next segment-open and drawn from then on."""

    device_id: str
    officers: tuple[str, ...]


class Recipients(Message, frozen=True, kw_only=True, tag="recipients"):
    """age recipients for the segments opened from now on; empty means sealing is off."""

    recipients: tuple[str, ...]


class SegmentLength(Message, frozen=True, kw_only=True, tag="segment-length"):
    """Nominal length of segments from now on; one that is longer already ends at its next keyframe."""

    segment_us: int


class Look(Message, frozen=True, kw_only=True, tag="look"):
    """Look for a QR code in the picture until boot-time ``until_us``; a time that is over ends the looking."""

    until_us: int


class Ack(Message, frozen=True, kw_only=True, tag="ack"):
    """Reports up to ``n`` are signed and durable in the journal."""

    n: int


# --- worker -> unit --------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True, tag="hello"):
    pid: int


class Opened(Message, frozen=True, kw_only=True, tag="opened"):
    """A segment file exists (created and its directory synced); its first entry follows. The one before it of the same
    chain is closed, or given up and never spoken of again. It covers no time before an ``entry`` with media is durable."""

    n: int
    session_id: str
    segment_id: str
    segment_index: int
    role: Literal["live", "preroll", "postroll"]
    media_start_us: int
    codecs: str
    width: int
    height: int
    frame_rate: float
    audio_rate: int | None
    recipients: tuple[str, ...]
    officers: tuple[str, ...]


class EntryWritten(Message, frozen=True, kw_only=True, tag="fragment"):
    """One entry of a segment is durable: ``[offset, length)`` of the stored file, digests, end of its media."""

    n: int
    segment_id: str
    entry: int
    offset: int
    length: int
    sha256_stored: str
    sha256_plain: str
    media_end_us: int


class Closed(Message, frozen=True, kw_only=True, tag="closed"):
    n: int
    session_id: str
    segment_id: str
    reason: Literal["split", "stop", "preroll-complete", "camera-fault", "shutdown", "overflow"]
    last_of_session: bool
    entries: int
    size: int
    sha256: str
    plaintext_size: int
    plaintext_sha256: str
    media_start_us: int
    media_end_us: int
    frames: int
    dropped_frames: int
    audio_gaps_us: int
    fix_seconds: int


class Speech(Message, frozen=True, kw_only=True, tag="speech"):
    """Somebody speaks while a session is recorded: a span found by the voice-activity detector, in boot-time of hearing.

    Sent when the span has become long enough to count, again at least each second while it goes on, and once more with
    ``final`` when it is over. All reports of one span have the same ``start_us`` and a growing ``end_us``: a later one
    takes the place of the earlier. Spans of one worker neither touch nor overlap. What was said before the session is
    left out; a worker that is killed in the middle of a span never sends its ``final``.

    ``level_dbfs`` is the RMS of the span's voiced part so far, 0 being full scale: an officer who wears the microphone is
    some 20 dB louder than a bystander. The worker does not know whose voice it is, nor that the unit's own loudspeaker
    speaks: the unit process leaves out the intervals of its prompts.
    """

    n: int
    start_us: int
    end_us: int
    final: bool
    level_dbfs: float


class Qr(Message, frozen=True, kw_only=True, tag="qr"):
    """A QR code was read: one message for each text, however long it stays before the lens."""

    n: int
    text: Annotated[str, msgspec.Meta(max_length=4096)]


class FaultReport(Message, frozen=True, kw_only=True, tag="fault"):
    """Onset or end of something wrong in the worker (``camera-fault``, ``microphone-unplugged``, ``storage-fault``,
    ``buffer-overflow``, …). ``docs/faults.md`` lists the codes with their evidence."""

    n: int
    code: str
    phase: Literal["onset", "end"]
    component: str
    evidence: dict[str, Any]


class Progress(Message, frozen=True, kw_only=True, tag="progress"):
    """Sent at least each 0.5 s. Counts since the worker started; the unit process kills a worker whose frames, or
    whose entries while recording, stop growing. ``entries``: durable entries with media; headers of files (entry 0) are
    none. ``camera_absent``: there is no camera to open just now; the worker is
    well, looks for it, and another one would find it no sooner."""

    frames: int
    entries: int
    recording: bool
    last_frame_us: int
    dropped_frames: int
    buffer_bytes: int
    lux: float | None
    camera_absent: bool = False


ToWorker: TypeAlias = Start | Stop | Telemetry | Overlay | Recipients | SegmentLength | Look | Ack
FromWorker: TypeAlias = Hello | Opened | EntryWritten | Closed | Speech | Qr | FaultReport | Progress

_ENCODER = msgspec.json.Encoder()
_TO_WORKER: msgspec.json.Decoder[ToWorker] = msgspec.json.Decoder(ToWorker)
_FROM_WORKER: msgspec.json.Decoder[FromWorker] = msgspec.json.Decoder(FromWorker)


def encode(message: Message) -> bytes:
    """One line, newline included."""
    return _ENCODER.encode(message) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """Raises MessageError, naming the field, for anything this version does not speak."""
    return _decoded(_TO_WORKER, line)


def decode_from_worker(line: bytes) -> FromWorker:
    """Raises MessageError, naming the field, for anything this version does not speak."""
    return _decoded(_FROM_WORKER, line)


def _decoded(decoder: msgspec.json.Decoder[T], line: bytes) -> T:
    try:
        return decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(str(error)) from error
