"""A register that cannot write for now is no fault of the request: the unit is told to come again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from hw_sim.agency.store.problem import REGISTER_BUSY, STORE_FULL, Problem

BUSY_AGAIN_S, FULL_AGAIN_S = 2, 60
_PRIMARY = 0xFF
"""The low byte of an extended result code (https://www.sqlite.org/rescode.html)."""


@contextmanager
def register_problems() -> Iterator[None]:
    """SQLITE_BUSY and SQLITE_LOCKED become Problem 503, SQLITE_FULL Problem 507, both with ``Retry-After``."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY  # errors of the Python module itself have none
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise Problem(REGISTER_BUSY, str(error), headers={"Retry-After": str(BUSY_AGAIN_S)}) from error
        if code == sqlite3.SQLITE_FULL:
            raise Problem(STORE_FULL, str(error), headers={"Retry-After": str(FULL_AGAIN_S)}) from error
        raise
