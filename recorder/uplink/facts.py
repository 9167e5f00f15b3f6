"""What the uplink reads out of journal records. Pure. Nothing is verified here: the store and the verifier do that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Segment:
    """A finished segment file to be uploaded: from ``segment-close``, or ``recovery`` with outcome ``kept``.

    ``seq`` of that record; ``closed_at`` its ``iat`` (seconds); ``sha256`` base64url; ``size`` bytes as stored.
    """

    journal_id: str
    seq: int
    session_id: str
    segment_id: str
    sha256: str
    size: int
    closed_at: float


@dataclass(frozen=True, slots=True)
class Statement:
    """A written statement whose document is to be sent: ``sha256`` and ``size`` of the file in ``statements/``."""

    journal_id: str
    seq: int
    statement_id: str
    sha256: str
    size: int
    sealed: bool


@dataclass(frozen=True, slots=True)
class SessionStarted:
    session_id: str


@dataclass(frozen=True, slots=True)
class SessionStopped:
    session_id: str
    at: float


@dataclass(frozen=True, slots=True)
class Marked:
    """重点标记: these segments, or the whole session when the record names none."""

    session_id: str
    segment_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeadlineMoved:
    """Art. 24 ¶2: ``returned_at`` None while the reason lasts; the 24 hours run from the return."""

    sessions: tuple[str, ...]
    returned_at: float | None


@dataclass(frozen=True, slots=True)
class Granted:
    """The agency wants these sessions and segments uploaded first, until ``until`` (wall seconds); ``metered``: also over a
    link that is paid for by the byte. The unit has verified its signature."""

    command_id: str
    sessions: tuple[str, ...]
    segments: tuple[str, ...]
    until: float
    metered: bool


@dataclass(frozen=True, slots=True)
class ReceiptWanted:
    """The agency wants the receipts of these asked for again."""

    sessions: tuple[str, ...]
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LinesWanted:
    """The store says it never had the lines ``first`` … ``last``, and the unit process has found them here: they are to be
    offered again."""

    journal_id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the agency is told of: an ``event`` of :data:`NOTICED`. ``body``: its detail."""

    journal_id: str
    seq: int
    kind: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Released:
    segment_id: str


@dataclass(frozen=True, slots=True)
class ReceiptRecorded:
    """The unit has verified and journalled this receipt; ``jws`` is the store's line."""

    receipt_id: str
    jws: str


@dataclass(frozen=True, slots=True)
class JournalGrew:
    """Everything up to ``head_seq`` is durable and may be posted. ``idle``: what came since was :data:`IDLE_TYPES` only."""

    journal_id: str
    head_seq: int
    idle: bool = False


@dataclass(frozen=True, slots=True)
class JournalReset:
    """The journal is not the one read before (cut or replaced): forget what was derived from it."""


Fact: TypeAlias = (
    Segment
    | Statement
    | SessionStarted
    | SessionStopped
    | Marked
    | DeadlineMoved
    | Granted
    | ReceiptWanted
    | LinesWanted
    | Notice
    | Released
    | ReceiptRecorded
    | JournalGrew
    | JournalReset
)

NOTICED = frozenset({"deadline-warning"})
"""Events announced over MQTT."""
STORE_GAP = "store-gap"
"""``evidence.receipts.STORE_GAP_EVENT``; by value, for that module brings pydantic with it."""

READ_TYPES = frozenset(
    {
        "segment-close",
        "recovery",
        "session-start",
        "session-stop",
        "mark",
        "command",
        "deadline-basis",
        "event",
        "release",
        "receipt",
        "statement",
    }
)
"""Record types whose payload matters here; the others (mostly ``head``) are counted, not parsed."""


IDLE_TYPES = frozenset({"standby", "checkpoint"})
"""What a unit writes that is on and does nothing."""


def fact_of(typ: str, record: dict[str, Any]) -> Fact | None:
    """The fact in one record, None when it holds none. Raises ValueError naming the member that is missing or wrong."""
    if typ == "segment-close":
        return _segment(record, _number(record, "size"))
    if typ == "recovery":
        kept = record.get("subject") == "segment" and record.get("outcome") == "kept"
        size = _number(record, "kept_bytes") if kept else 0
        return _segment(record, size) if size else None
    if typ == "session-start":
        return SessionStarted(_text(record, "session_id"))
    if typ == "session-stop":
        return SessionStopped(_text(record, "session_id"), _time(record))
    if typ == "mark":
        return Marked(_text(record, "session_id"), _texts(record, "segment_ids"))
    if typ == "deadline-basis":
        returned = _text(record, "basis") == "returned"
        return DeadlineMoved(_texts(record, "sessions"), _time(record) if returned else None)
    if typ == "command":
        return _ordered(record)
    if typ == "event":
        return _event(record)
    if typ == "release":
        return Released(_text(record, "segment_id"))
    if typ == "receipt":
        return ReceiptRecorded(_text(record, "receipt_id"), _text(record, "jws"))
    if typ == "statement":
        return Statement(
            journal_id=_text(record, "journal_id"),
            seq=_number(record, "seq"),
            statement_id=_file_name(record, "statement_id"),
            sha256=_text(record, "stored_sha256"),
            size=_number(record, "stored_size"),
            sealed=record.get("sealed") is not False,
        )
    return None


def _ordered(record: dict[str, Any]) -> Granted | ReceiptWanted | None:
    """Of the ``accepted`` record, which carries the order; what was refused has none of that result."""
    order = record.get("order")
    if record.get("result") != "accepted" or not isinstance(order, dict):
        return None
    name = record.get("name")
    if name == "grant":
        until = order.get("until")
        if not isinstance(until, int | float) or isinstance(until, bool):
            raise ValueError("order.until: 不是数字 not a number")
        sessions, segments = _texts(order, "sessions"), _texts(order, "segments")
        return Granted(_text(record, "command_id"), sessions, segments, float(until), order.get("metered") is True)
    if name == "refetch-receipt":
        return ReceiptWanted(_texts(order, "sessions"), _texts(order, "segments"))
    return None


def _event(record: dict[str, Any]) -> Notice | LinesWanted | None:
    if record.get("event") in NOTICED:
        return _notice(record)
    detail = record.get("detail")
    if record.get("event") != STORE_GAP or not isinstance(detail, dict) or detail.get("held") is None:
        return None
    return LinesWanted(_text(record, "journal_id"), _number(detail, "first"), _number(detail, "last"))


def _notice(record: dict[str, Any]) -> Notice:
    detail = record.get("detail")
    if not isinstance(detail, dict):
        raise ValueError("detail: 不是对象 not an object")
    return Notice(_text(record, "journal_id"), _number(record, "seq"), _text(record, "event"), detail)


def _segment(record: dict[str, Any], size: int) -> Segment:
    return Segment(
        journal_id=_text(record, "journal_id"),
        seq=_number(record, "seq"),
        session_id=_file_name(record, "session_id"),
        segment_id=_file_name(record, "segment_id"),
        sha256=_text(record, "sha256"),
        size=size,
        closed_at=_time(record),
    )


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    if not isinstance(value, str):
        raise ValueError(f"{key}: 不是文本 not text")
    return value


def _file_name(record: dict[str, Any], key: str) -> str:
    """Ids become parts of paths; the journal is not verified here, so nothing that could leave the folder passes."""
    value = _text(record, key)
    if not value or not all(character in "0123456789abcdef-" for character in value):
        raise ValueError(f"{key}: 不是 UUID not a UUID")
    return value


def _number(record: dict[str, Any], key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key}: 不是非负整数 not a whole number of 0 or more")
    return value


def _time(record: dict[str, Any]) -> float:
    value = record.get("iat")
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError("iat: 不是数字 not a number")
    return float(value)


def _texts(record: dict[str, Any], key: str) -> tuple[str, ...]:
    value = record.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{key}: 不是文本列表 not a list of texts")
    return tuple(value)
