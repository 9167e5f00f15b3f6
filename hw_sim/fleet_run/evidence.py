"""What lies on the disk after a run, unit by unit: read with the recorder's own readers and sqlite-utils, judged elsewhere.

Nothing here asks a program what it thinks it has done: journals, receipts, objects, registers and outboxes are read as they
are once everything has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlite_utils

from recorder.evidence import enrol
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles
from recorder.evidence.journal_reader import journal_files, parse
from recorder.evidence.p256 import PublicKey
from recorder.evidence.receipts import Believed, LockPolicy, OwnSegment, ReceiptCheck
from recorder.evidence.records import StoredSegment
from recorder.evidence.signer import load_or_create
from recorder.uplink.precedence import STATUTORY_S


@dataclass(frozen=True, slots=True)
class ClosedSegment:
    """As the unit's journal names it. ``deadline``: wall seconds (Hebei measures art. 24)."""

    segment_id: str
    session_id: str
    sha256: str
    size: int
    marked: bool
    deadline: float


@dataclass(slots=True)
class UnitJournal:
    """The unit's own. ``docked_at``: wall seconds of its last start. ``recorded``: digests of receipts by record number;
    ``releases``: (record number, segment, receipt digest)."""

    unit_id: str
    journal_id: str
    data: bytes
    digests: list[str]
    segments: dict[str, ClosedSegment]
    docked_at: float
    recorded: dict[str, int]
    releases: list[tuple[int, str, str]]


@dataclass(frozen=True, slots=True)
class Covering:
    """A receipt that verifies, and what it says of one segment."""

    receipt_digest: str
    stored: StoredSegment


@dataclass(slots=True)
class StoreSide:
    """What the agency has of one unit. ``files``: of the folder of segments, by segment id; empty in another object store.
    ``refused``: receipts that do not verify, with why."""

    journal: bytes
    objects: dict[str, dict[str, Any]]
    announced: dict[str, int]
    coverings: dict[str, list[Covering]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    files: dict[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnitSide:
    """``outbox``: announcements nobody has acknowledged. ``index``: state of each segment. ``files``: still on the card."""

    outbox: int
    index: dict[str, str]
    files: list[Path]


@contextmanager
def database(path: Path) -> Iterator[sqlite_utils.Database]:
    """Raises FileNotFoundError rather than make an empty one."""
    if not path.is_file():
        raise FileNotFoundError(path)
    db = sqlite_utils.Database(path)
    try:
        yield db
    finally:
        db.close()


def journal_bytes(directory: Path) -> bytes:
    return b"".join(file.path.read_bytes() for file in journal_files(OsFiles(), directory))


def read_journal(unit_id: str, data: bytes) -> UnitJournal:
    """Raises ValueError for a line that is none."""
    closed: dict[str, dict[str, Any]] = {}
    ended: dict[str, float] = {}
    marked: set[str] = set()
    found = UnitJournal(unit_id, "", data, [], {}, 0.0, {}, [])
    for line in data.splitlines():
        parts = parse(line)
        payload = parts.payload
        found.digests.append(sha256_b64u(line))
        match parts.typ:
            case "boot":
                found.journal_id, found.docked_at = payload["journal_id"], payload["iat"]
            case "segment-close":
                closed[payload["segment_id"]] = payload
            case "session-stop":
                ended[payload["session_id"]] = payload["iat"]
            case "mark":
                marked.update(payload["segment_ids"])
            case "receipt":
                found.recorded[payload["receipt_digest"]] = payload["seq"]
            case "release":
                found.releases.append((payload["seq"], payload["segment_id"], payload["receipt_digest"]))
    for segment_id, payload in closed.items():
        found.segments[segment_id] = ClosedSegment(
            segment_id,
            payload["session_id"],
            payload["sha256"],
            payload["size"],
            segment_id in marked,
            ended[payload["session_id"]] + STATUTORY_S,
        )
    return found


def read_unit(data_dir: Path) -> UnitSide:
    with database(data_dir / "uplink" / "outbox.db") as outbox:
        waiting = outbox["announcement"].count
    with database(data_dir / "index.db") as index:
        states = {row["segment_id"]: row["state"] for row in index["segments"].rows}
    return UnitSide(waiting, states, sorted(path for path in (data_dir / "segments").rglob("*") if path.is_file()))


def read_store(
    db: sqlite_utils.Database, store_root: Path, journal: UnitJournal, data_dir: Path, store_key: PublicKey
) -> StoreSide:
    """``db``: the store's register. Each receipt is judged as the unit judges it."""
    vault = store_root / journal.unit_id / journal.journal_id
    objects = {row["segment_id"]: row for row in db["object"].rows_where("unit_id = ?", [journal.unit_id])}
    announced: dict[str, int] = {}
    query = "select json_extract(payload, '$.segment_id') as id from announcement where unit_id = ?"
    for row in db.query(f"{query} and json_extract(payload, '$.kind') = 'segment'", [journal.unit_id]):
        announced[row["id"]] = announced.get(row["id"], 0) + 1
    side = StoreSide(journal_bytes(vault / "journal"), objects, announced)
    signer = load_or_create(enrol.device_key_file(data_dir), enrol.device_chain_file(data_dir))
    policy = LockPolicy(require_lock=False)
    check = ReceiptCheck(store_key, journal.unit_id, [signer.kid], journal.journal_id, policy)

    def digest_of(seq: int) -> str | None:
        return journal.digests[seq] if seq < len(journal.digests) else None

    def own(segment_id: str) -> OwnSegment | None:
        known = journal.segments.get(segment_id)
        return None if known is None else OwnSegment(known.sha256, known.size)

    def held(first: int, last: int) -> tuple[int, int] | None:
        end = min(last, len(journal.digests) - 1)
        return (first, end) if first <= end else None

    for row in db["receipt"].rows_where("unit_id = ?", [journal.unit_id]):
        verdict = check.verify(row["jws"], digest_of, own, held)
        if not isinstance(verdict, Believed):
            side.refused.append(f"{row['receipt_id']}: {verdict.en}")
            continue
        if any(gap.held is not None for gap in verdict.gaps):
            side.refused.append(f"{row['receipt_id']}: names a gap of lines that are here")
        for stored in verdict.receipt.segments:
            side.coverings.setdefault(stored.segment_id, []).append(Covering(verdict.receipt_digest, stored))
    for path in sorted((vault / "segments").rglob("*")):
        if path.is_file():
            side.files.setdefault(path.name.partition(".")[0], []).append(path)
    return side
