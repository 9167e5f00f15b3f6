"""The SQLite index: what is where, for quick answers. Deleting it loses nothing; it is rebuilt from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from recorder.evidence import jws
from recorder.session.retention import Held


class Index:
    """``index.db`` beside the journal. ``apply`` every record in order; ``last_seq`` tells where to catch up from."""

    def __init__(self, path: Path) -> None:
        self._db = Database(str(path))
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")  # an index may lag after a power cut: it catches up
        self._create()

    def _create(self) -> None:
        self._db.table("progress").create({"id": int, "last_seq": int, "journal_id": str}, pk="id", if_not_exists=True)
        self._db.table("segments").create(
            {
                "segment_id": str,
                "session_id": str,
                "camera_id": str,
                "role": str,
                "sealed": int,
                "state": str,
                "size": int,
                "sha256": str,
                "closed_wall_us": int,
                "receipt_digest": str,
                "media_start_us": int,
                "media_end_us": int,
            },
            pk="segment_id",
            if_not_exists=True,
        )
        self._db.table("segments").create_index(["state"], if_not_exists=True)
        self._db.table("receipts").create({"receipt_id": str}, pk="receipt_id", if_not_exists=True)
        self._db.table("gaps").create(
            {"gap_id": str, "session_id": str, "cause": str, "duration_us": int, "explained": int},
            pk="gap_id",
            if_not_exists=True,
        )

    def last_seq(self, journal_id: str) -> int:
        """The last applied ``seq`` of this journal, -1 when the index is new or belongs to another one."""
        rows = list(self._db.table("progress").rows)
        if rows and rows[0]["journal_id"] == journal_id:
            return int(rows[0]["last_seq"])
        return -1

    def reached(self, journal_id: str, seq: int) -> None:
        """Everything up to ``seq`` is in the index (records it has no use for included)."""
        self._db.table("progress").upsert({"id": 1, "last_seq": seq, "journal_id": journal_id}, pk="id")

    def clear(self) -> None:
        for table in ("segments", "gaps", "receipts", "progress"):
            self._db.table(table).delete_where()

    def apply(self, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Apply ``(typ, payload)`` in order, in one transaction; records already applied are skipped."""
        with self._db.atomic():
            last: tuple[int, str] | None = None
            for typ, payload in records:
                self._one(typ, payload)
                last = payload["seq"], payload["journal_id"]
            if last is not None:
                self._db.table("progress").upsert({"id": 1, "last_seq": last[0], "journal_id": last[1]}, pk="id")

    def _one(self, typ: str, p: dict[str, Any]) -> None:
        segments = self._db.table("segments")
        if typ == "segment-open":
            segments.upsert(
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "camera_id": p["camera_id"],
                    "role": p["role"],
                    "sealed": int(p["encryption"]["format"] != "none"),
                    "state": "open",
                    "media_start_us": p["media_start_us"],
                },
                pk="segment_id",
            )
        elif typ == "segment-close":
            segments.upsert(
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "camera_id": p["camera_id"],
                    "state": "closed",
                    "size": p["size"],
                    "sha256": p["sha256"],
                    "closed_wall_us": round(p["iat"] * 1e6),
                    "media_end_us": p["media_end_us"],
                },
                pk="segment_id",
            )
        elif typ == "recovery" and p.get("segment_id"):
            segments.upsert(
                {
                    "segment_id": p["segment_id"],
                    "session_id": p["session_id"],
                    "state": "closed" if p["outcome"] == "kept" else p["outcome"],
                    "size": p["kept_bytes"],
                    "sha256": p["sha256"],
                    "closed_wall_us": round(p["iat"] * 1e6),
                },
                pk="segment_id",
            )
        elif typ == "receipt":
            self._db.table("receipts").upsert({"receipt_id": p["receipt_id"]}, pk="receipt_id")
            for segment in jws.split(p["jws"]).payload["segments"]:
                self._db.execute(
                    "UPDATE segments SET receipt_digest = ? WHERE segment_id = ? AND sha256 = ? AND size = ?",
                    [p["receipt_digest"], segment["segment_id"], segment["sha256"], segment["size"]],
                )
        elif typ == "release":
            segments.upsert({"segment_id": p["segment_id"], "state": "released"}, pk="segment_id")
        elif typ == "interruption":
            self._db.table("gaps").upsert(
                {"gap_id": p["gap_id"], "session_id": p["session_id"], "cause": p["cause"], "explained": 0}, pk="gap_id"
            )
        elif typ == "resumption":
            self._db.table("gaps").upsert({"gap_id": p["gap_id"], "duration_us": p["duration_us"]}, pk="gap_id")
        elif typ in ("explanation", "statement"):
            self._db.table("gaps").upsert({"gap_id": p["gap_id"], "explained": 1}, pk="gap_id")

    def held(self) -> list[Held]:
        """Closed segments that are still on the unit."""
        return [
            Held(
                segment_id=row["segment_id"],
                session_id=row["session_id"],
                size=row["size"],
                sha256=row["sha256"],
                closed_wall_us=row["closed_wall_us"],
                receipt_digest=row["receipt_digest"],
            )
            for row in self._db.table("segments").rows_where("state = 'closed'")
        ]

    def segment(self, segment_id: str) -> dict[str, Any] | None:
        rows = list(self._db.table("segments").rows_where("segment_id = ?", [segment_id]))
        return dict(rows[0]) if rows else None

    def segments_of(self, session_id: str) -> set[str]:
        """Every segment of the session that a record names."""
        rows = self._db.table("segments").rows_where("session_id = ?", [session_id], select="segment_id")
        return {str(row["segment_id"]) for row in rows}

    def has_receipt(self, receipt_id: str) -> bool:
        return self._db.table("receipts").count_where("receipt_id = ?", [receipt_id]) > 0

    def released(self) -> list[tuple[str, str]]:
        """(session, segment) of every tombstone whose file may still be there."""
        rows = self._db.table("segments").rows_where("state = 'released'")
        return [(row["session_id"], row["segment_id"]) for row in rows]

    def removed(self, segment_id: str) -> None:
        """The released segment's file is gone."""
        self._db.table("segments").update(segment_id, {"state": "removed"})

    def pending(self) -> tuple[int, int]:
        """(segments, bytes) that are closed and have no believed receipt."""
        row = self._db.execute(
            "SELECT count(*), coalesce(sum(size), 0) FROM segments WHERE state = 'closed' AND receipt_digest IS NULL"
        ).fetchone()
        return int(row[0]), int(row[1])

    def unexplained_gaps(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM gaps WHERE explained = 0").fetchone()[0])

    def close(self) -> None:
        self._db.close()
