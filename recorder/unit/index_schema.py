"""The tables of ``index.db``, and a database that has them."""

from __future__ import annotations

import sqlite3

from recorder.database import Database

SCHEMA = 6
"""Raise it with every change of the tables: a file of another one is thrown away and made anew from the journal."""

DERIVED = ("segments", "gaps", "receipts", "sessions", "totals", "store_gaps", "progress")
"""Every table: all of them are derived from the journal."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS progress (id INTEGER PRIMARY KEY, last_seq INTEGER, journal_id TEXT)",
    """CREATE TABLE IF NOT EXISTS segments (
        segment_id TEXT PRIMARY KEY, session_id TEXT, camera_id TEXT, role TEXT, sealed INTEGER, state TEXT, size INTEGER,
        sha256 TEXT, closed_wall_us INTEGER, receipt_digest TEXT, media_start_us INTEGER, media_end_us INTEGER,
        bootseed TEXT, offset_us INTEGER, first_seq INTEGER, last_seq INTEGER, withheld INTEGER)""",
    # Covers the question the status asks twice a second; without the size in it every row would be read.
    "CREATE INDEX IF NOT EXISTS idx_segments_state_receipt_digest_size ON segments (state, receipt_digest, size)",
    "CREATE INDEX IF NOT EXISTS idx_segments_session_id ON segments (session_id)",
    "CREATE TABLE IF NOT EXISTS receipts (receipt_id TEXT PRIMARY KEY)",
    """CREATE TABLE IF NOT EXISTS sessions (
        session_id TEXT PRIMARY KEY, start_us INTEGER, start_offset_us INTEGER, stop_us INTEGER, stop_offset_us INTEGER,
        start_bootseed TEXT, stop_bootseed TEXT)""",
    """CREATE TABLE IF NOT EXISTS gaps (
        gap_id TEXT PRIMARY KEY, session_id TEXT, cause TEXT, duration_us INTEGER, resumed INTEGER, declared INTEGER,
        over INTEGER, explained INTEGER, stated INTEGER)""",
    "CREATE INDEX IF NOT EXISTS idx_gaps_session_id ON gaps (session_id)",
    # What was recorded of each gap last; ``standing``: the fault of its lines being here has not ended.
    """CREATE TABLE IF NOT EXISTS store_gaps (
        first INTEGER, last INTEGER, held_first INTEGER, held_last INTEGER, standing INTEGER, PRIMARY KEY (first, last))""",
    "CREATE TABLE IF NOT EXISTS totals (counter TEXT, label TEXT, value INTEGER, PRIMARY KEY (counter, label))",
)


def prepared(connection: sqlite3.Connection) -> Database:
    """The database with its tables. Raises sqlite3.Error, the connection closed, when it cannot be used."""
    try:
        db = Database(connection)
        if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            raise sqlite3.DatabaseError("quick_check failed")
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and db.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            raise sqlite3.DatabaseError(f"not of schema {SCHEMA}")
        db.execute(f"PRAGMA user_version = {SCHEMA}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")  # an index may lag after a power cut: it catches up
        db.create(*TABLES)
    except BaseException:
        connection.close()
        raise
    return db
