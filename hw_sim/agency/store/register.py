"""The store's register (SQLite, WAL, synchronous=FULL): journals, what they name, uploads, objects, receipts, messages.

A receipt is registered here before anybody gets it (RFC 9943: register before releasing). One connection behind one lock
in each process: a commit costs a quarter of a millisecond, far below what the units can send. Several processes may have
it open; SQLite lets one write at a time.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from recorder.database import Database

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=1000",
    "journal_size_limit=4194304",
    "temp_store=MEMORY",
    "cache_size=-512",  # KiB: what the register is asked for is the newest, and the kernel keeps the file
)
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS journal (journal_id TEXT PRIMARY KEY, unit_id TEXT, next_seq INTEGER, head_digest TEXT,"
    " kid TEXT)",
    "CREATE TABLE IF NOT EXISTS gap (journal_id TEXT, first_seq INTEGER, last_seq INTEGER,"
    " PRIMARY KEY (journal_id, first_seq))",
    "CREATE TABLE IF NOT EXISTS opened (unit_id TEXT, segment_id TEXT, suffix TEXT, PRIMARY KEY (unit_id, segment_id))",
    "CREATE TABLE IF NOT EXISTS named (unit_id TEXT, journal_id TEXT, segment_id TEXT, session_id TEXT, sha256 TEXT,"
    " suffix TEXT, size INTEGER, seq INTEGER, PRIMARY KEY (unit_id, segment_id))",
    "CREATE TABLE IF NOT EXISTS upload (upload_id TEXT PRIMARY KEY, unit_id TEXT, journal_id TEXT, session_id TEXT,"
    " segment_id TEXT, sha256 TEXT, size INTEGER, state TEXT, synced INTEGER, boot_id TEXT, touched_at REAL)",
    "CREATE INDEX IF NOT EXISTS idx_upload_unit_id_segment_id ON upload (unit_id, segment_id)",
    "CREATE INDEX IF NOT EXISTS idx_upload_state_touched_at ON upload (state, touched_at)",
    "CREATE TABLE IF NOT EXISTS object (unit_id TEXT, journal_id TEXT, segment_id TEXT, session_id TEXT, sha256 TEXT,"
    " size INTEGER, path TEXT, stored_at REAL, receipt_id TEXT, PRIMARY KEY (unit_id, segment_id))",
    "CREATE INDEX IF NOT EXISTS idx_object_unit_id_sha256 ON object (unit_id, sha256)",
    "CREATE TABLE IF NOT EXISTS receipt (receipt_id TEXT PRIMARY KEY, unit_id TEXT, journal_id TEXT, head_seq INTEGER,"
    " issued_at REAL, segments INTEGER, jws TEXT)",
    "CREATE INDEX IF NOT EXISTS idx_receipt_journal_id_head_seq ON receipt (journal_id, head_seq)",
    "CREATE TABLE IF NOT EXISTS announcement (unit_id TEXT, msg_id TEXT, payload TEXT, received_at REAL,"
    " PRIMARY KEY (unit_id, msg_id))",
    "CREATE TABLE IF NOT EXISTS status (unit_id TEXT, msg_id TEXT, payload TEXT, received_at REAL,"
    " PRIMARY KEY (unit_id, msg_id))",
    "CREATE TABLE IF NOT EXISTS latest (unit_id TEXT, kind TEXT, payload TEXT, received_at REAL,"
    " PRIMARY KEY (unit_id, kind))",
)
_ALL_READ = 1
"""``user_version`` of a register that has read every line it counts. An older one may have counted lines it had not read
when the database was busy or full: its journals are read once more when they are opened."""
BUSY_MS = 5000
"""How long a write waits for another process's before it fails."""
STATUS_KEPT = 1000
"""Status messages kept of each unit."""

UploadState = Literal["uploading", "whole", "stored", "conflict"]
"""``whole``: read back, digest and size right, locked; waits for the journal. ``stored``: in the vault, with a receipt.
``conflict``: whole, but the journal names another digest; kept apart."""


@dataclass(frozen=True, slots=True)
class Upload:
    """``synced``: bytes known to be durable in boot ``boot_id``'s or an earlier life of the machine."""

    upload_id: str
    unit_id: str
    journal_id: str
    session_id: str
    segment_id: str
    sha256: str
    size: int
    state: UploadState
    synced: int
    boot_id: str
    touched_at: float


@dataclass(frozen=True, slots=True)
class Named:
    """A finished segment as the journal names it (``segment-close``, or ``recovery`` with outcome ``kept``)."""

    unit_id: str
    journal_id: str
    segment_id: str
    session_id: str
    sha256: str
    size: int
    suffix: str
    seq: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    unit_id: str
    journal_id: str
    segment_id: str
    session_id: str
    sha256: str
    size: int
    path: str
    stored_at: float
    receipt_id: str


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    receipt_id: str
    unit_id: str
    journal_id: str
    head_seq: int
    issued_at: float
    segments: int
    jws: str


class Skipped(RuntimeError):
    """Lines of a journal would count as read that were not."""


class Register:
    """Thread-safe. ``with register.atomic():`` makes several calls one transaction."""

    def __init__(self, path: Path, busy_ms: int = BUSY_MS) -> None:
        self._lock = threading.RLock()
        self._db = Database(sqlite3.connect(path, check_same_thread=False))
        for pragma in (f"busy_timeout={busy_ms}", *_PRAGMAS):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.create(*_SCHEMA)
        with self.atomic():
            if int(self._db.execute("PRAGMA user_version").fetchone()[0]) < _ALL_READ:
                self._db.execute("UPDATE journal SET next_seq = 0")
                self._db.execute(f"PRAGMA user_version = {_ALL_READ}")

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One transaction; nested, a savepoint of it."""
        with self._lock:
            if not self._db.conn.in_transaction:
                # IMMEDIATE: one that reads first and then writes fails at once, whatever the busy timeout, when another
                # process has written in between (SQLITE_BUSY_SNAPSHOT).
                with self._db.atomic():
                    yield
                return
            self._db.execute("SAVEPOINT inner_part")
            try:
                yield
            except BaseException:
                if self._db.conn.in_transaction:
                    self._db.execute("ROLLBACK TO inner_part")
                    self._db.execute("RELEASE inner_part")
                raise
            self._db.execute("RELEASE inner_part")

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """A query of a module with tables of its own (``usage``, ``statements``)."""
        return self._rows(sql, *arguments)

    def execute(self, sql: str, *arguments: Any) -> None:
        """One statement of such a module, as a transaction of its own or within the caller's."""
        with self.atomic():
            self._db.execute(sql, list(arguments))

    def _insert(self, table: str, values: dict[str, Any]) -> None:
        marks = ", ".join("?" * len(values))
        self._db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", list(values.values()))

    def _row(self, sql: str, *arguments: Any) -> tuple[Any, ...] | None:
        with self._lock:
            row = self._db.execute(sql, list(arguments)).fetchone()
        return None if row is None else tuple(row)

    def _rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return [tuple(row) for row in self._db.execute(sql, list(arguments)).fetchall()]

    # --- journals ----------------------------------------------------------------------------------------------------

    def owner(self, journal_id: str) -> str | None:
        row = self._row("SELECT unit_id FROM journal WHERE journal_id = ?", journal_id)
        return None if row is None else str(row[0])

    def indexed(self, journal_id: str) -> int:
        """Lines below this ``seq`` have been read into the register."""
        row = self._row("SELECT next_seq FROM journal WHERE journal_id = ?", journal_id)
        return 0 if row is None else int(row[0])

    def journal_at(self, unit_id: str, journal_id: str, since: int, next_seq: int, head_digest: str, kid: str) -> None:
        """The lines from ``since`` to ``next_seq`` have been read. Raises Skipped unless all before them had been."""
        with self.atomic():
            indexed = self.indexed(journal_id)
            if indexed != since:
                raise Skipped(f"journal {journal_id}: read up to {indexed}, not to {since}")
            self._db.execute(
                "INSERT INTO journal (journal_id, unit_id, next_seq, head_digest, kid) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (journal_id) DO UPDATE SET unit_id = excluded.unit_id, next_seq = excluded.next_seq,"
                " head_digest = excluded.head_digest, kid = excluded.kid",
                [journal_id, unit_id, next_seq, head_digest, kid],
            )

    def add_gap(self, journal_id: str, first_seq: int, last_seq: int) -> None:
        with self.atomic():
            self._db.execute("INSERT OR REPLACE INTO gap VALUES (?, ?, ?)", [journal_id, first_seq, last_seq])

    def gaps(self, journal_id: str) -> list[tuple[int, int]]:
        """(first, last) ``seq`` of lines the unit has lost before they were here."""
        sql = "SELECT first_seq, last_seq FROM gap WHERE journal_id = ? ORDER BY first_seq"
        return [(int(first), int(last)) for first, last in self._rows(sql, journal_id)]

    def journals(self) -> list[tuple[str, str]]:
        """(unit_id, journal_id) of all journals."""
        return [(str(a), str(b)) for a, b in self._rows("SELECT unit_id, journal_id FROM journal")]

    def opened(self, unit_id: str, segment_id: str, suffix: str) -> None:
        with self.atomic():
            self._db.execute(
                "INSERT OR IGNORE INTO opened (unit_id, segment_id, suffix) VALUES (?, ?, ?)",
                [unit_id, segment_id, suffix],
            )

    def suffix(self, unit_id: str, segment_id: str) -> str | None:
        row = self._row("SELECT suffix FROM opened WHERE unit_id = ? AND segment_id = ?", unit_id, segment_id)
        return None if row is None else str(row[0])

    def name(self, named: Named) -> bool:
        """False when another line had already named the segment; the first naming stays."""
        with self.atomic():
            known = self.named(named.unit_id, named.segment_id)
            if known is not None:
                # The same line, read again; whether its segment is sealed may not have been known the first time.
                return replace(known, suffix=named.suffix) == named
            self._insert("named", asdict(named))
            return True

    def named(self, unit_id: str, segment_id: str) -> Named | None:
        row = self._row(
            "SELECT unit_id, journal_id, segment_id, session_id, sha256, size, suffix, seq FROM named"
            " WHERE unit_id = ? AND segment_id = ?",
            unit_id,
            segment_id,
        )
        return None if row is None else Named(*row)

    # --- uploads -----------------------------------------------------------------------------------------------------

    _UPLOAD = (
        "SELECT upload_id, unit_id, journal_id, session_id, segment_id, sha256, size, state, synced, boot_id,"
        " touched_at FROM upload"
    )

    def add_upload(self, upload: Upload) -> None:
        with self.atomic():
            self._insert("upload", asdict(upload))

    def upload(self, upload_id: str) -> Upload | None:
        row = self._row(f"{self._UPLOAD} WHERE upload_id = ?", upload_id)
        return None if row is None else Upload(*row)

    def uploads_of(self, unit_id: str, segment_id: str) -> list[Upload]:
        rows = self._rows(f"{self._UPLOAD} WHERE unit_id = ? AND segment_id = ?", unit_id, segment_id)
        return [Upload(*row) for row in rows]

    def uploads_of_digest(self, unit_id: str, sha256: str) -> list[Upload]:
        return [Upload(*row) for row in self._rows(f"{self._UPLOAD} WHERE unit_id = ? AND sha256 = ?", unit_id, sha256)]

    def uploads_in(self, *states: UploadState) -> list[Upload]:
        marks = ", ".join("?" * len(states))
        return [Upload(*row) for row in self._rows(f"{self._UPLOAD} WHERE state IN ({marks})", *states)]

    def promised_bytes(self) -> int:
        """Declared by uploads that were begun, and not yet on the disk."""
        row = self._row("SELECT COALESCE(SUM(size - synced), 0) FROM upload WHERE state = 'uploading'")
        return 0 if row is None else int(row[0])

    def expired_uploads(self, before: float) -> list[Upload]:
        rows = self._rows(f"{self._UPLOAD} WHERE state = 'uploading' AND touched_at < ?", before)
        return [Upload(*row) for row in rows]

    def upload_synced(self, upload_id: str, synced: int, boot_id: str, touched_at: float) -> None:
        with self.atomic():
            self._db.execute(
                "UPDATE upload SET synced = ?, boot_id = ?, touched_at = ? WHERE upload_id = ?",
                [synced, boot_id, touched_at, upload_id],
            )

    def upload_state(self, upload_id: str, state: UploadState) -> None:
        with self.atomic():
            self._db.execute("UPDATE upload SET state = ? WHERE upload_id = ?", [state, upload_id])

    def forget_upload(self, upload_id: str) -> None:
        with self.atomic():
            self._db.execute("DELETE FROM upload WHERE upload_id = ?", [upload_id])

    # --- objects and receipts ----------------------------------------------------------------------------------------

    def add_receipt(self, receipt: IssuedReceipt, objects: Iterable[StoredObject]) -> None:
        """The registration: receipt and objects in one transaction."""
        with self.atomic():
            self._insert("receipt", asdict(receipt))
            for item in objects:
                self._insert("object", asdict(item))
                self._db.execute(
                    "UPDATE upload SET state = 'stored' WHERE unit_id = ? AND segment_id = ? AND sha256 = ?",
                    [item.unit_id, item.segment_id, item.sha256],
                )

    def object(self, unit_id: str, segment_id: str) -> StoredObject | None:
        row = self._row(
            "SELECT unit_id, journal_id, segment_id, session_id, sha256, size, path, stored_at, receipt_id FROM object"
            " WHERE unit_id = ? AND segment_id = ?",
            unit_id,
            segment_id,
        )
        return None if row is None else StoredObject(*row)

    def newest_object_row(self) -> int:
        """Cursor for :meth:`stored_after`."""
        row = self._row("SELECT COALESCE(MAX(rowid), 0) FROM object")
        return 0 if row is None else int(row[0])

    def stored_after(self, row: int) -> tuple[int, dict[str, int]]:
        """(the new cursor, bytes stored of each unit since the old one)."""
        rows = self._rows("SELECT unit_id, SUM(size), MAX(rowid) FROM object WHERE rowid > ? GROUP BY unit_id", row)
        return max((int(last) for _, _, last in rows), default=row), {str(unit): int(size) for unit, size, _ in rows}

    def object_of_digest(self, unit_id: str, sha256: str) -> StoredObject | None:
        row = self._row("SELECT segment_id FROM object WHERE unit_id = ? AND sha256 = ?", unit_id, sha256)
        return None if row is None else self.object(unit_id, str(row[0]))

    _RECEIPT = "SELECT receipt_id, unit_id, journal_id, head_seq, issued_at, segments, jws FROM receipt"

    def receipt(self, receipt_id: str) -> IssuedReceipt | None:
        row = self._row(f"{self._RECEIPT} WHERE receipt_id = ?", receipt_id)
        return None if row is None else IssuedReceipt(*row)

    def latest_receipt(self, journal_id: str) -> IssuedReceipt | None:
        row = self._row(
            f"{self._RECEIPT} WHERE journal_id = ? ORDER BY head_seq DESC, issued_at DESC LIMIT 1", journal_id
        )
        return None if row is None else IssuedReceipt(*row)

    def filed_receipts(self, journal_id: str) -> list[str]:
        """Ids of the receipts that must lie in the vault as files: all that cover segments, and the newest."""
        rows = self._rows("SELECT receipt_id FROM receipt WHERE journal_id = ? AND segments > 0", journal_id)
        ids = [str(row[0]) for row in rows]
        latest = self.latest_receipt(journal_id)
        return ids if latest is None or latest.receipt_id in ids else [*ids, latest.receipt_id]

    # --- messages ----------------------------------------------------------------------------------------------------

    def add_announcement(self, unit_id: str, msg_id: str, payload: str, at: float) -> bool:
        """False for a repeat."""
        return self._add_message("announcement", unit_id, msg_id, payload, at)

    def add_status(self, unit_id: str, msg_id: str, payload: str, at: float) -> None:
        with self.atomic():
            self._add_message("status", unit_id, msg_id, payload, at)
            self._db.execute(
                "DELETE FROM status WHERE unit_id = ? AND rowid NOT IN"
                " (SELECT rowid FROM status WHERE unit_id = ? ORDER BY rowid DESC LIMIT ?)",
                [unit_id, unit_id, STATUS_KEPT],
            )

    def _add_message(self, table: str, unit_id: str, msg_id: str, payload: str, at: float) -> bool:
        with self.atomic():
            done = self._db.execute(
                f"INSERT OR IGNORE INTO {table} (unit_id, msg_id, payload, received_at) VALUES (?, ?, ?, ?)",
                [unit_id, msg_id, payload, at],
            )
            return bool(done.rowcount > 0)

    def announcements(self, unit_id: str) -> list[str]:
        """Payloads in the order of their arrival."""
        return [
            str(row[0])
            for row in self._rows("SELECT payload FROM announcement WHERE unit_id = ? ORDER BY rowid", unit_id)
        ]

    def latest_status(self, unit_id: str) -> str | None:
        row = self._row("SELECT payload FROM status WHERE unit_id = ? ORDER BY rowid DESC LIMIT 1", unit_id)
        return None if row is None else str(row[0])

    def keep_latest(self, unit_id: str, kind: str, payload: str, at: float) -> None:
        """The newest message of a retained topic (``status health reported``) in place of the one before."""
        with self.atomic():
            self._db.execute(
                "INSERT OR REPLACE INTO latest (unit_id, kind, payload, received_at) VALUES (?, ?, ?, ?)",
                [unit_id, kind, payload, at],
            )

    def fleet_units(self, after: str, limit: int) -> list[str]:
        """Ids of the units that ever said anything, in order, from behind ``after``."""
        sql = "SELECT DISTINCT unit_id FROM latest WHERE unit_id > ? ORDER BY unit_id LIMIT ?"
        return [str(row[0]) for row in self._rows(sql, after, limit)]

    def latest(self, unit_id: str) -> dict[str, tuple[str, float]]:
        """(payload, when it came in seconds since 1970) by kind."""
        rows = self._rows("SELECT kind, payload, received_at FROM latest WHERE unit_id = ?", unit_id)
        return {str(kind): (str(payload), float(at)) for kind, payload, at in rows}
