"""What the register counts for the quotas (``quota``): bytes stored and on their way, and when uploads were created."""

from __future__ import annotations

from hw_sim.agency.store.register import Register

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS usage (unit_id TEXT PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bucket (unit_id TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL)",
    # By trigger, so that no way of registering an object can forget it. A sum over a unit's objects at each creation
    # would read tens of thousands of rows.
    "CREATE TRIGGER IF NOT EXISTS object_counted AFTER INSERT ON object BEGIN"
    " INSERT INTO usage (unit_id, objects, bytes) VALUES (NEW.unit_id, 1, NEW.size)"
    " ON CONFLICT (unit_id) DO UPDATE SET objects = objects + 1, bytes = bytes + NEW.size; END",
)
_BACKFILL = (
    "INSERT INTO usage (unit_id, objects, bytes) SELECT unit_id, COUNT(*), SUM(size) FROM object GROUP BY unit_id"
)


class UsageBook:
    def __init__(self, register: Register) -> None:
        self._register = register
        with register.atomic():
            known = register.rows("SELECT 1 FROM sqlite_master WHERE name = 'usage'")
            for statement in _SCHEMA:
                register.execute(statement)
            if not known:
                register.execute(_BACKFILL)

    def stored(self, unit_id: str | None) -> int:
        """Bytes of registered objects, of one unit or (None) of all."""
        if unit_id is None:
            return self._sum("SELECT SUM(bytes) FROM usage")
        return self._sum("SELECT bytes FROM usage WHERE unit_id = ?", unit_id)

    def pending(self, unit_id: str | None) -> int:
        """Bytes declared by uploads that are not objects yet: begun, or whole and waiting for the journal."""
        states = "state IN ('uploading', 'whole')"
        if unit_id is None:
            return self._sum(f"SELECT SUM(size) FROM upload WHERE {states}")
        return self._sum(f"SELECT SUM(size) FROM upload WHERE unit_id = ? AND {states}", unit_id)

    def unfinished(self, unit_id: str) -> int:
        """Bytes declared by uploads whose last byte has not come."""
        return self._sum("SELECT SUM(size) FROM upload WHERE unit_id = ? AND state = 'uploading'", unit_id)

    def unnamed(self, unit_id: str) -> int:
        """Bytes of whole uploads that no journal names: they never expire, since what is whole may be evidence."""
        return self._sum(
            "SELECT SUM(size) FROM upload WHERE unit_id = ? AND state = 'whole' AND NOT EXISTS"
            " (SELECT 1 FROM named WHERE named.unit_id = upload.unit_id AND named.segment_id = upload.segment_id)",
            unit_id,
        )

    def bucket(self, unit_id: str) -> tuple[float, float] | None:
        """(tokens, at)."""
        rows = self._register.rows("SELECT tokens, at FROM bucket WHERE unit_id = ?", unit_id)
        return (float(rows[0][0]), float(rows[0][1])) if rows else None

    def set_bucket(self, unit_id: str, tokens: float, at: float) -> None:
        self._register.execute(
            "INSERT INTO bucket (unit_id, tokens, at) VALUES (?, ?, ?)"
            " ON CONFLICT (unit_id) DO UPDATE SET tokens = excluded.tokens, at = excluded.at",
            unit_id,
            tokens,
            at,
        )

    def _sum(self, sql: str, *arguments: object) -> int:
        rows = self._register.rows(sql, *arguments)
        return int(rows[0][0] or 0) if rows else 0
