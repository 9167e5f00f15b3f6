"""Transactions that are whole, and statements that do not wait for one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from recorder.database import Database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "x.db"
    database = Database(sqlite3.connect(made))
    database.create("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b TEXT)")
    database.close()
    return made


def others_see(path: Path) -> list[dict[str, object]]:
    other = Database(sqlite3.connect(path))
    try:
        return other.rows("SELECT * FROM t ORDER BY a")
    finally:
        other.close()


def test_a_statement_alone_is_a_transaction(path: Path) -> None:
    database = Database(sqlite3.connect(path))
    database.execute("INSERT INTO t VALUES (?, ?)", [1, "x"])
    assert others_see(path) == [{"a": 1, "b": "x"}]
    database.close()


def test_atomic_is_all_or_nothing(path: Path) -> None:
    database = Database(sqlite3.connect(path))
    with database.atomic():
        database.execute("INSERT INTO t VALUES (1, 'x')")
        assert others_see(path) == []
    with pytest.raises(ZeroDivisionError), database.atomic():
        database.execute("INSERT INTO t VALUES (2, 'y')")
        _ = 1 / 0
    with pytest.raises(sqlite3.IntegrityError), database.atomic():
        database.execute("INSERT INTO t VALUES (3, 'z')")
        database.execute("INSERT INTO t VALUES (1, 'again')")
    assert others_see(path) == [{"a": 1, "b": "x"}]
    database.close()


def test_a_full_disk_in_the_middle_leaves_no_transaction_open(path: Path) -> None:
    """SQLite rolls back by itself then; a second ROLLBACK would hide the reason behind "no transaction is active"."""
    database = Database(sqlite3.connect(path))
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(sqlite3.OperationalError, match="full"), database.atomic():
        database.execute("INSERT INTO t VALUES (1, ?)", ["x" * 100_000])
    assert not database.conn.in_transaction
    database.execute("INSERT INTO t VALUES (2, 'y')")
    assert others_see(path) == [{"a": 2, "b": "y"}]
    database.close()
