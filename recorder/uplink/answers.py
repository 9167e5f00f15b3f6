"""What an answer of the store means. Pure. Anything that is not the one expected success is a named fault."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from recorder.uplink.faults import (
    DIGEST_CONFLICT,
    DIGEST_MISMATCH,
    FORBIDDEN,
    LOCKED,
    PROTOCOL,
    STORE_BUSY,
    STORE_ERROR,
    STORE_FULL,
    TOO_LARGE,
    UNAUTHORIZED,
    UPLOAD_GONE,
    FaultKind,
    UplinkFault,
)
from recorder.uplink.http import Answer

_KINDS: dict[int, FaultKind] = {
    401: UNAUTHORIZED,
    403: FORBIDDEN,
    404: UPLOAD_GONE,
    410: UPLOAD_GONE,
    413: TOO_LARGE,
    423: LOCKED,
    429: STORE_BUSY,
    460: DIGEST_MISMATCH,
    503: STORE_BUSY,
    507: STORE_FULL,
}


DIGEST_CONFLICT_TYPE = "urn:zfy:digest-conflict"


def says_digest_conflict(answer: Answer) -> bool:
    """The bytes are what was declared, and the journal names others: nothing the unit sends again would settle it."""
    return answer.status == 409 and members(answer).get("type") == DIGEST_CONFLICT_TYPE


def fault_of(answer: Answer, subject: str = "") -> UplinkFault:
    """The fault for an answer that is not the expected success."""
    kind = _KINDS.get(answer.status)
    if kind is None:
        kind = STORE_ERROR if answer.status >= 500 else PROTOCOL
    if says_digest_conflict(answer):
        kind = DIGEST_CONFLICT
    problem = members(answer)
    said = problem.get("title_zh") or problem.get("title") or ""
    detail = problem.get("detail") or ""
    text = " ".join(str(part)[:200] for part in (answer.status, said, detail) if part)
    return UplinkFault(kind, text, subject=subject, retry_after_s=retry_after(answer))


class NoReceipt(Enum):
    """What a 404 on the question for a receipt asks of the unit (docs/wire.md)."""

    SEND = "send"
    """The store has not all bytes: create again, which goes on where the store's bytes end."""
    POST_JOURNAL = "post-journal"
    """The bytes are whole, the journal does not name them yet."""
    ASK_LATER = "ask-later"
    """The bytes are whole and named, the store's own object store is away: there is nothing the unit could do."""


def no_receipt(answer: Answer) -> NoReceipt:
    """A state this version does not know, or none, is answered by sending: a creation too many costs one request, a segment
    never sent is lost."""
    match members(answer).get("state"):
        case "awaiting-store":
            return NoReceipt.ASK_LATER
        case "awaiting-journal":
            return NoReceipt.POST_JOURNAL
        case _:
            return NoReceipt.SEND


def members(answer: Answer) -> dict[str, Any]:
    """Members of a JSON object body; empty when the body is anything else (a proxy's HTML page, say)."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def whole_number(value: object) -> int | None:
    """A non-negative whole number from JSON or a header, None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 18:
        return int(value)
    return None


def offset_of(answer: Answer) -> int:
    """``Upload-Offset``. Raises UplinkFault ``protocol-error`` when it is missing: without it nothing is known."""
    offset = whole_number(answer.headers.get("upload-offset"))
    if offset is None:
        raise UplinkFault(PROTOCOL, f"{answer.status} without a usable Upload-Offset")
    return offset


def retry_after(answer: Answer) -> float | None:
    """Seconds of ``Retry-After``; a date is measured against the answer's own ``Date``, never our clock."""
    value = answer.headers.get("retry-after", "").strip()
    seconds = whole_number(value)
    if seconds is not None:
        return float(seconds)
    try:
        wanted = parsedate_to_datetime(value)
        return max(0.0, (wanted - parsedate_to_datetime(answer.headers.get("date", ""))).total_seconds())
    except (TypeError, ValueError):
        return None
