"""What the register counts for the quotas (``quota``, ``apart``): bytes stored, on their way, kept apart; creations."""

from __future__ import annotations

from hw_sim.agency.store.register import Register

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS usage (unit_id TEXT PRIMARY KEY, objects INTEGER NOT NULL, bytes INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS bucket (unit_id TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL)",
    "CREATE TABLE IF NOT EXISTS apart (name TEXT PRIMARY KEY, unit_id TEXT NOT NULL, size INTEGER NOT NULL,"
    " at REAL NOT NULL)",
    "CREATE INDEX IF NOT EXISTS idx_apart_unit_id ON apart (unit_id)",
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

    def apart(self, unit_id: str | None) -> tuple[int, int]:
        """(items, bytes) kept apart for people, of one unit or (None) of all."""
        sql, arguments = "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM apart", () if unit_id is None else (unit_id,)
        items, size = self._register.rows(sql if unit_id is None else f"{sql} WHERE unit_id = ?", *arguments)[0]
        return int(items), int(size)

    def apart_item(self, name: str) -> int | None:
        """Bytes of this item."""
        rows = self._register.rows("SELECT size FROM apart WHERE name = ?", name)
        return int(rows[0][0]) if rows else None

    def apart_names(self) -> list[tuple[str, float]]:
        """(name, counted when) of all."""
        return [(str(name), float(at)) for name, at in self._register.rows("SELECT name, at FROM apart")]

    def set_apart(self, unit_id: str, name: str, size: int, at: float) -> None:
        self._register.execute("INSERT OR REPLACE INTO apart VALUES (?, ?, ?, ?)", name, unit_id, size, at)

    def forget_apart(self, name: str) -> None:
        self._register.execute("DELETE FROM apart WHERE name = ?", name)

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
