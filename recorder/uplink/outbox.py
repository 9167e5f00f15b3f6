"""The MQTT outbox: announcements the store has not yet acknowledged, durable, keyed by (journal, seq).

Announcements are derived from the journal, so no transaction ever spans the journal and this database; the cursor and
the rows it accounts for move in one transaction. A row goes only on the store's own ``down/ack``: a broker killed 50 ms
after its PUBACK lost 98 of 300 messages in the measurement this rests on.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from recorder.database import Database
from recorder.uplink.facts import Notice, Segment

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "wal_autocheckpoint=256",
    "journal_size_limit=4194304",
    "temp_store=MEMORY",
    "cache_size=-512",
)


Announced: TypeAlias = Segment | Notice


@dataclass(frozen=True, slots=True)
class Announcement:
    msg_id: str
    payload: str


class Announcements(Protocol):
    """What is still to be announced, as the desk sees it."""

    def take(self, journal_id: str, news: Collection[Announced]) -> bool:
        """Take over what is new of it. False: not now."""

    def pending(self, limit: int) -> list[Announcement]:
        """The oldest unacknowledged announcements."""

    def acknowledged(self, msg_ids: Sequence[str]) -> None:
        """The store has them durably."""

    def count(self) -> int:
        """How many are unacknowledged."""

    def close(self) -> None: ...


class Outbox:
    """One thread uses it. Everything may raise sqlite3.Error, the constructor OSError, too. A sqlite3.DatabaseError of the
    constructor that is no OperationalError means: the file is damaged."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._db = Database(sqlite3.connect(path))
        try:
            for pragma in _PRAGMAS:
                self._db.execute(f"PRAGMA {pragma}").fetchall()
            if self._db.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise sqlite3.DatabaseError("quick_check failed")
            self._create()
        except BaseException:
            self._db.close()
            raise

    def _create(self) -> None:
        self._db.create(
            "CREATE TABLE IF NOT EXISTS announcement (msg_id TEXT PRIMARY KEY, journal_id TEXT, seq INTEGER, payload TEXT)",
            "CREATE INDEX IF NOT EXISTS idx_announcement_seq ON announcement (seq)",
            "CREATE TABLE IF NOT EXISTS cursor (journal_id TEXT PRIMARY KEY, seq INTEGER)",
        )

    def cursor(self, journal_id: str) -> int:
        """Up to this seq the journal has been turned into announcements; -1 at the beginning."""
        row = self._db.execute("SELECT seq FROM cursor WHERE journal_id = ?", [journal_id]).fetchone()
        return -1 if row is None else int(row[0])

    def take(self, journal_id: str, news: Collection[Announced]) -> bool:
        """Take over what of ``news`` lies behind the cursor; always True."""
        cursor = self.cursor(journal_id)
        fresh = [item for item in news if item.seq > cursor and item.journal_id == journal_id]
        # The cursor alone is not worth a commit every second: it moves with the rows it protects.
        if fresh:
            self.add(journal_id, max(item.seq for item in fresh), fresh)
        return True

    def prove(self) -> None:
        """Write something that means nothing, durably. Opening alone only reads."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        self._db.execute(f"PRAGMA user_version = {(int(version) + 1) % 1_000_000}")

    def add(self, journal_id: str, head_seq: int, news: Iterable[Announced]) -> None:
        """Take over what is to be announced up to ``head_seq``: rows and cursor in one transaction."""
        with self._db.atomic():
            for item in news:
                payload = json.dumps(_payload(item), separators=(",", ":"))
                self._db.execute(
                    "INSERT OR IGNORE INTO announcement (msg_id, journal_id, seq, payload) VALUES (?, ?, ?, ?)",
                    [message_id(item), item.journal_id, item.seq, payload],
                )
            self._db.execute(
                "INSERT INTO cursor (journal_id, seq) VALUES (?, ?) "
                "ON CONFLICT (journal_id) DO UPDATE SET seq = excluded.seq",
                [journal_id, head_seq],
            )

    def pending(self, limit: int) -> list[Announcement]:
        """The oldest unacknowledged announcements."""
        rows = self._db.execute("SELECT msg_id, payload FROM announcement ORDER BY seq LIMIT ?", [limit])
        return [Announcement(str(row[0]), str(row[1])) for row in rows.fetchall()]

    def acknowledged(self, msg_ids: Sequence[str]) -> None:
        """The store has them durably. Unknown ids (a repeated ack) change nothing."""
        with self._db.atomic():
            for msg_id in msg_ids:
                self._db.execute("DELETE FROM announcement WHERE msg_id = ?", [msg_id])

    def count(self) -> int:
        row = self._db.execute("SELECT count(*) FROM announcement").fetchone()
        return int(row[0])

    def close(self) -> None:
        self._db.close()


def set_aside(path: Path) -> None:
    """Keep a damaged file beside the new one for whoever wants to know. Nothing is lost with it: the journal is announced
    again and the store drops what it has already seen. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        file = path.with_name(path.name + suffix)
        if file.exists():
            file.replace(path.with_name(f"{path.name}.damaged{suffix}"))


def message_id(item: Announced) -> str:
    """The same announcement has the same id for ever, whatever became of the database."""
    return f"{item.journal_id}:{item.seq}"


def _payload(item: Announced) -> dict[str, object]:
    if isinstance(item, Notice):
        return {"kind": item.kind, "journal_id": item.journal_id, "seq": item.seq, **item.body}
    return {
        "kind": "segment",
        "journal_id": item.journal_id,
        "seq": item.seq,
        "session_id": item.session_id,
        "segment_id": item.segment_id,
        "sha256": item.sha256,
        "size": item.size,
    }
