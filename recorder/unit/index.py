"""The SQLite index: what is where, for quick answers. Deleting it loses nothing; it is rebuilt from the journal.

Because it is only that, no error of it may stop a recording: a file that cannot be read is thrown away; when the disk
refuses, the index goes on in memory and the file catches up at the next start; and when even that fails it begins empty,
is ``behind``, and ``catch_up`` fills it from the journal again.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recorder.database import Database
from recorder.evidence import jws
from recorder.evidence.gap_book import CANNOT_RESUME_EVENT
from recorder.evidence.receipts import STORE_GAP_EVENT, STORE_GAP_FAULT, Gap
from recorder.session.events import Moment
from recorder.session.retention import Held
from recorder.session.statutory import OwedSession
from recorder.unit.index_schema import DERIVED, prepared
from recorder.unit.totals import increments

log = logging.getLogger("recorder.index")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Kept:
    """A closed segment as it has to lie on the disk. ``sealed`` None: no record says (a file nobody had reported)."""

    place: int
    session_id: str
    segment_id: str
    size: int
    sealed: bool | None


class Index:
    """``index.db`` beside the journal. ``apply`` every record in order; ``last_seq`` tells where to catch up from.

    ``behind``: it lacks records of the journal, so what it says is not the whole truth; ``losses`` counts how often it
    lost everything. Nothing here raises sqlite3.Error.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.in_memory = False
        self.behind = False
        self.losses = 0
        self._db = self._open()

    def _open(self) -> Database:
        for _ in range(2):
            try:
                return prepared(sqlite3.connect(self._path))
            except sqlite3.Error as error:
                log.error("index.unusable", extra={"fields": {"path": str(self._path), "error": str(error)}})
            try:
                for suffix in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            except OSError as error:
                log.error("index.unusable", extra={"fields": {"path": str(self._path), "error": str(error)}})
                break
        self.in_memory = True
        return prepared(sqlite3.connect(":memory:"))

    def _write(self, act: Callable[[], None]) -> None:
        """Do it in the file; when the disk refuses, go on with a copy in memory and do it there."""
        try:
            with self._db.atomic():
                act()
        except sqlite3.Error as error:
            if self.in_memory:
                self._lose(error)
                return
            log.error("index.in-memory", extra={"fields": {"path": str(self._path), "error": str(error)}})
            try:
                copy = sqlite3.connect(":memory:")
                self._db.conn.backup(copy)
                self._db.close()
                self._db, self.in_memory = Database(copy), True
                with self._db.atomic():
                    act()
            except sqlite3.Error as second:
                self._lose(second)

    def _read(self, act: Callable[[], T], otherwise: T) -> T:
        try:
            return act()
        except sqlite3.Error as error:
            self._lose(error)
            return otherwise

    def _lose(self, error: sqlite3.Error) -> None:
        """Begin empty, in memory. The file is left to the next start, which throws it away if it is really damaged."""
        log.error("index.lost", extra={"fields": {"path": str(self._path), "error": str(error)}})
        with contextlib.suppress(sqlite3.Error):  # it is given up either way
            self._db.close()
        self._db, self.in_memory, self.behind = prepared(sqlite3.connect(":memory:")), True, True
        self.losses += 1

    def last_seq(self, journal_id: str) -> int:
        """The last applied ``seq`` of this journal, -1 when the index is new or belongs to another one."""
        rows = self._rows("progress", "id = 1", [])
        if rows and rows[0]["journal_id"] == journal_id:
            return int(rows[0]["last_seq"])
        return -1

    def reached(self, journal_id: str, seq: int) -> None:
        """Everything up to ``seq`` is in the index (records it has no use for included)."""
        row = {"id": 1, "last_seq": seq, "journal_id": journal_id}
        self._write(lambda: self._upsert("progress", row, "id"))

    def clear(self) -> None:
        def act() -> None:
            for table in DERIVED:
                self._db.execute(f"DELETE FROM {table}")

        self._write(act)

    def apply(self, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Apply ``(typ, payload)`` in order, in one transaction. What was applied before is skipped."""
        batch = list(records)
        if batch:
            known = self.last_seq(batch[0][1]["journal_id"])
            batch = [(typ, payload) for typ, payload in batch if payload["seq"] > known]

        def act() -> None:
            for typ, payload in batch:
                self._one(typ, payload)
            last = batch[-1][1]
            self._upsert("progress", {"id": 1, "last_seq": last["seq"], "journal_id": last["journal_id"]}, "id")

        if batch:
            self._write(act)

    def _upsert(self, table: str, row: dict[str, Any], key: str) -> None:
        """Insert, or update the given columns. Plain SQL: rebuilding is eight times as fast as with ``Table.upsert``."""
        columns = ", ".join(row)
        places = ", ".join("?" * len(row))
        changes = ", ".join(f"{column} = excluded.{column}" for column in row if column != key)
        action = f"UPDATE SET {changes}" if changes else "NOTHING"
        sql = f"INSERT INTO {table} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO {action}"
        self._db.execute(sql, list(row.values()))

    def _one(self, typ: str, p: dict[str, Any]) -> None:
        for counter, label, amount in increments(typ, p):
            self._db.execute(_ADD, [counter, label, amount])
        if typ == "segment-open":
            self._upsert(
                "segments",
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "camera_id": p["camera_id"],
                    "role": p["role"],
                    "sealed": int(p["encryption"]["format"] != "none"),
                    "state": "open",
                    "media_start_us": p["media_start_us"],
                    "bootseed": p["bootseed"],
                    "offset_us": _offset_us(p),
                    "first_seq": p["seq"],
                },
                "segment_id",
            )
        elif typ == "segment-close":
            self._upsert(
                "segments",
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "camera_id": p["camera_id"],
                    "state": "closed",
                    "size": p["size"],
                    "sha256": p["sha256"],
                    "closed_wall_us": round(p["iat"] * 1e6),
                    "media_end_us": p["media_end_us"],
                    "last_seq": p["seq"],
                },
                "segment_id",
            )
        elif typ == "recovery" and p.get("segment_id"):
            self._upsert(
                "segments",
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "state": "closed" if p["outcome"] == "kept" else p["outcome"],
                    "size": p["kept_bytes"],
                    "sha256": p["sha256"],
                    "closed_wall_us": round(p["iat"] * 1e6),
                    "last_seq": p["seq"],
                },
                "segment_id",
            )
        elif typ == "receipt":
            self._upsert("receipts", {"receipt_id": p["receipt_id"]}, "receipt_id")
            for segment in jws.split(p["jws"]).payload["segments"]:
                self._db.execute(
                    "UPDATE segments SET receipt_digest = ? WHERE segment_id = ? AND sha256 = ? AND size = ?",
                    [p["receipt_digest"], segment["segment_id"], segment["sha256"], segment["size"]],
                )
        elif typ == "release":
            self._upsert("segments", {"segment_id": p["segment_id"], "state": "released"}, "segment_id")
        elif typ == "interruption":
            row = {"gap_id": p["gap_id"], "session_id": p["session_id"], "cause": p["cause"]}
            self._upsert("gaps", row | {"resumed": 0, "declared": 0, "over": 0, "explained": 0, "stated": 0}, "gap_id")
        elif typ == "resumption":
            self._upsert("gaps", {"gap_id": p["gap_id"], "duration_us": p["duration_us"], "resumed": 1}, "gap_id")
        elif typ == "event" and p["event"] == CANNOT_RESUME_EVENT:
            self._db.execute("UPDATE gaps SET declared = 1 WHERE gap_id = ?", [str(p["detail"].get("gap_id"))])
        elif typ == "event" and p["event"] == STORE_GAP_EVENT:
            for segment_id in p["detail"].get("withheld", ()):
                self._db.execute("UPDATE segments SET withheld = 1 WHERE segment_id = ?", [str(segment_id)])
            self._store_gap(p["detail"])
        elif typ == "fault" and p["code"] == STORE_GAP_FAULT:
            if p["phase"] == "onset":
                self._store_gap(p["evidence"])
            elif p["evidence"].get("ended_by") != "restart":  # a restart ends the record of it, and nothing else
                self._db.execute("UPDATE store_gaps SET standing = 0")
        elif typ == "explanation" and p["counts"]:
            self._db.execute("UPDATE gaps SET explained = 1 WHERE gap_id = ?", [p["gap_id"]])
        elif typ == "statement":
            self._db.execute("UPDATE gaps SET stated = 1 WHERE gap_id = ?", [p["gap_id"]])
        elif typ in ("session-start", "session-stop"):
            edge = "start" if typ == "session-start" else "stop"
            if edge == "stop":
                self._db.execute("UPDATE gaps SET over = 1 WHERE session_id = ?", [p["session_id"]])
            at_us = p["at_us"] if edge == "start" else p["uptime_us"]
            self._upsert(
                "sessions",
                {
                    "session_id": p["session_id"],
                    f"{edge}_us": at_us,
                    f"{edge}_bootseed": p["bootseed"],
                    f"{edge}_offset_us": _offset_us(p),
                },
                "session_id",
            )

    def _store_gap(self, told: dict[str, Any]) -> None:
        held = told["held"]
        row = {"first": told["first"], "last": told["last"], "standing": int(held is not None)}
        row |= dict(zip(("held_first", "held_last"), held or (None, None), strict=True))
        self._upsert("store_gaps", row, "first, last")

    def held(self) -> list[Held]:
        """Closed segments that are still on the unit."""
        return self._held("state = 'closed'", None)

    def inventory(self, after: int, limit: int) -> list[Kept]:
        """Closed segments that are still on the unit, in pages: those behind ``place`` ``after`` (-1: from the first)."""
        sql = """SELECT rowid, session_id, segment_id, size, sealed FROM segments
            WHERE rowid > ? AND +state = 'closed' ORDER BY rowid LIMIT ?"""  # +: by place, not by the index on state

        def read() -> list[tuple[Any, ...]]:
            return list(self._db.execute(sql, [after, limit]).fetchall())

        rows: list[tuple[Any, ...]] = self._read(read, [])
        return [
            Kept(place, session_id, segment_id, size, None if sealed is None else bool(sealed))
            for place, session_id, segment_id, size, sealed in rows
        ]

    def receipted(self, limit: int) -> list[Held]:
        """The oldest closed segments that have a receipt, touch no gap at the store that is none here, and are still on
        the unit: what retention may choose from. Not all of them: this is asked every two seconds, and ten thousand rows
        are a third of a second on a Pi."""
        return self._held("state = 'closed' AND receipt_digest IS NOT NULL AND withheld IS NULL", limit)

    def _held(self, where: str, limit: int | None) -> list[Held]:
        rows = self._rows(
            "segments", f"{where} ORDER BY closed_wall_us, rowid LIMIT ?", [-1 if limit is None else limit]
        )
        return [
            Held(
                segment_id=row["segment_id"],
                session_id=row["session_id"],
                size=row["size"],
                sha256=row["sha256"],
                closed_wall_us=row["closed_wall_us"],
                receipt_digest=row["receipt_digest"],
            )
            for row in rows
        ]

    def _rows(self, table: str, where: str, values: list[Any]) -> list[dict[str, Any]]:
        return self._read(lambda: self._db.rows(f"SELECT * FROM {table} WHERE {where}", values), [])

    def segment(self, segment_id: str) -> dict[str, Any] | None:
        rows = self._rows("segments", "segment_id = ?", [segment_id])
        return rows[0] if rows else None

    def segments_of(self, session_id: str) -> set[str]:
        """Every segment of the session that a record names."""
        return {str(row["segment_id"]) for row in self._rows("segments", "session_id = ?", [session_id])}

    def has_receipt(self, receipt_id: str) -> bool:
        return bool(self._rows("receipts", "receipt_id = ?", [receipt_id]))

    def withheld(self) -> bool:
        """Whether a segment touches a gap at the store that is none here: the store lacks lines which sign it."""
        return bool(self._rows("segments", "withheld IS NOT NULL LIMIT 1", []))

    def store_gaps(self) -> list[tuple[Gap, bool]]:
        """Gaps at the store that were recorded, as they were judged last, and whether the fault of it stands."""
        return [
            (Gap(row["first"], row["last"], _held_lines(row)), bool(row["standing"]))
            for row in self._rows("store_gaps", "TRUE ORDER BY first", [])
        ]

    def released(self, after: int = -1, limit: int = -1) -> list[tuple[int, str, str]]:
        """(place, session, segment) of tombstones whose file may still be there, behind place ``after``; -1: all."""
        sql = """SELECT rowid, session_id, segment_id FROM segments
            WHERE rowid > ? AND state = 'released' ORDER BY rowid LIMIT ?"""
        return self._read(lambda: [tuple(row) for row in self._db.execute(sql, [after, limit]).fetchall()], [])

    def removed(self, segment_id: str) -> None:
        """The released segment's file is gone."""
        self._write(lambda: self._upsert("segments", {"segment_id": segment_id, "state": "removed"}, "segment_id"))

    def pending(self) -> tuple[int, int]:
        """(segments, bytes) that are closed and have no believed receipt."""
        sql = "SELECT count(*), coalesce(sum(size), 0) FROM segments WHERE state = 'closed' AND receipt_digest IS NULL"
        row = self._read(lambda: self._db.execute(sql).fetchone(), (0, 0))
        return int(row[0]), int(row[1])

    def owed(self) -> list[OwedSession]:
        """Sessions with closed segments that no believed receipt covers (art. 24)."""

        def read() -> list[dict[str, Any]]:
            return [dict(zip(_OWED_COLUMNS, row, strict=True)) for row in self._db.execute(_OWED).fetchall()]

        rows: list[dict[str, Any]] = self._read(read, [])
        return [_owed(row) for row in rows if row["start_bootseed"] is not None]

    def gap(self, gap_id: str) -> dict[str, Any] | None:
        """``session_id``, ``cause``, ``duration_us`` (None: it never resumed) and ``explained`` of an interruption."""
        rows = self._rows("gaps", "gap_id = ?", [gap_id])
        return rows[0] if rows else None

    def unexplained_gaps(self) -> int:
        """Interruptions that go on, or that resumed without a reason that counts (states: ``carried.GapState``)."""
        open_or_silent = "(resumed = 1 AND explained = 0) OR (resumed = 0 AND over = 0 AND declared = 0)"
        return self._gaps(f"stated = 0 AND ({open_or_silent})")

    def statements_owed(self) -> int:
        """Interruptions in which a recording ended or could not go on: a written statement is owed (art. 23)."""
        return self._gaps("stated = 0 AND resumed = 0 AND (over = 1 OR declared = 1)")

    def _gaps(self, where: str) -> int:
        sql = f"SELECT count(*) FROM gaps WHERE {where}"
        return int(self._read(lambda: self._db.execute(sql).fetchone(), (0,))[0])

    def totals(self) -> dict[str, dict[str, int]] | None:
        """The counters of :mod:`recorder.unit.totals`: sum by label, by counter. None while the index is behind: a sum
        that is still being made would look like one that began anew."""

        def read() -> dict[str, dict[str, int]]:
            found: dict[str, dict[str, int]] = {}
            for counter, label, value in self._db.execute("SELECT counter, label, value FROM totals").fetchall():
                found.setdefault(counter, {})[label] = value
            return found

        nothing: dict[str, dict[str, int]] = {}
        found = self._read(read, nothing)
        return None if self.behind else found

    def close(self) -> None:
        self._db.close()


_ADD = """INSERT INTO totals (counter, label, value) VALUES (?, ?, ?)
    ON CONFLICT (counter, label) DO UPDATE SET value = value + excluded.value"""


_OWED_COLUMNS = (
    *("session_id", "segments", "oldest_us", "oldest_bootseed", "oldest_offset_us"),
    *("newest_us", "newest_bootseed", "newest_offset_us"),
    *(f"{edge}_{what}" for edge in ("start", "stop") for what in ("us", "bootseed", "offset_us")),
)
_END = "coalesce({0}.media_end_us, {0}.media_start_us, 0), {0}.bootseed, {0}.offset_us"
_OWED = f"""
    SELECT w.session_id, w.segments, {_END.format("o")}, {_END.format("n")},
        s.start_us, s.start_bootseed, s.start_offset_us, s.stop_us, s.stop_bootseed, s.stop_offset_us
    FROM (SELECT session_id, count(*) AS segments, min(rowid) AS oldest, max(rowid) AS newest FROM segments
          WHERE state = 'closed' AND receipt_digest IS NULL GROUP BY session_id) w
    JOIN segments o ON o.rowid = w.oldest
    JOIN segments n ON n.rowid = coalesce((SELECT max(rowid) FROM segments
        WHERE session_id = w.session_id AND role IS NOT 'preroll' AND state <> 'empty'), w.newest)
    LEFT JOIN sessions s ON s.session_id = w.session_id
    ORDER BY w.oldest"""
"""A recovered segment's end is not in its record: its start stands in, which is a minute stricter at most."""


def _held_lines(row: dict[str, Any]) -> tuple[int, int] | None:
    return None if row["held_first"] is None else (int(row["held_first"]), int(row["held_last"]))


def _offset_us(p: dict[str, Any]) -> int:
    return round(float(p["iat"]) * 1e6) - int(p["uptime_us"])


def _owed(row: dict[str, Any]) -> OwedSession:
    def moment(name: str) -> Moment:
        if row[f"{name}_bootseed"] is None:
            name = "start"  # a file nobody had reported before its recovery: its session's start is the strictest
        at_us, offset = int(row[f"{name}_us"]), int(row[f"{name}_offset_us"] or 0)
        return Moment(at_us, str(row[f"{name}_bootseed"]), at_us + offset)

    stopped = row["stop_us"] is not None
    return OwedSession(
        session_id=str(row["session_id"]),
        began=moment("start"),
        segments=int(row["segments"]),
        oldest_media=moment("oldest"),
        completed_media=moment("newest") if stopped else None,
        completed_stop=moment("stop") if stopped else None,
    )
