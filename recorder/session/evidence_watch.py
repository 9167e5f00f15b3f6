"""What a change among the evidence files means (art. 27: nobody deletes or alters recordings). Pure.

There is no command that deletes. The unit's own removals (released segments, thinned anchors) and its own writing are known
to it; the worker writes to segments that are open; the uplink adds receipts. Everything else is somebody's hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FOLDERS = ("journal", "journal/torn", "segments", "receipts", "statements")
"""Where evidence lies, below the data folder; ``segments`` has a folder for each session."""

Change = Literal["removed", "altered", "replaced"]
"""``altered``: written to in place; ``replaced``: another file was moved to its name."""

Verdict = Literal["evidence-deleted", "evidence-altered"]

_SEGMENT = re.compile(r"^segments/(?P<session>[0-9a-f-]{36})/(?P<segment>[0-9a-f-]{36})\.(mp4(\.age)?|torn)$")
_SESSION = re.compile(r"^segments/[0-9a-f-]{36}$")
_JOURNAL = re.compile(r"^journal/(?P<first>\d{12})\.jws$")
_RECEIPT = re.compile(r"^receipts/[^./][^/]*\.jws$")
_KEPT = re.compile(r"^(statements/[^./][^/]*|journal/torn/[^./][^/]*\.torn)$")


@dataclass(frozen=True, slots=True)
class Rules:
    """What the unit knows. ``open_segment``: a worker may write to it, or nobody has reported it yet. ``released``: it has
    a tombstone. ``durable_seq``: last durable record, -1 for none."""

    open_segment: Callable[[str], bool]
    released: Callable[[str], bool]
    durable_seq: int


def judge(path: str, change: Change, own: bool, rules: Rules) -> Verdict | None:
    """``path`` below the data folder, a file's or a folder's; ``own``: this process removed or wrote it. None: nothing is
    wrong with it. A receipt may be written by others: the uplink brings it, an officer may copy it from a stick."""
    if own:
        return None
    verdict: Verdict = "evidence-deleted" if change == "removed" else "evidence-altered"
    if match := _SEGMENT.match(path):
        segment_id = match["segment"]
        if change == "removed":
            return None if rules.released(segment_id) else verdict
        return None if rules.open_segment(segment_id) else verdict
    if match := _JOURNAL.match(path):
        return verdict if int(match["first"]) <= rules.durable_seq else None
    if _KEPT.match(path):
        return verdict
    if change == "removed" and (_RECEIPT.match(path) or _SESSION.match(path) or path in FOLDERS):
        return verdict
    return None
