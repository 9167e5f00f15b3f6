"""Written statements (art. 23) as journals name them, and the receipts over their documents: tables of the register."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from hw_sim.agency.store.register import IssuedReceipt, Register

_TABLE = (
    "CREATE TABLE IF NOT EXISTS statement (unit_id TEXT, statement_id TEXT, journal_id TEXT, sha256 TEXT, size INTEGER,"
    " sealed INTEGER, seq INTEGER, receipt_id TEXT, PRIMARY KEY (unit_id, statement_id))"
)


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """``sha256`` and ``size``: of the file as it is stored, ``sealed`` whether that is an age file."""

    unit_id: str
    statement_id: str
    journal_id: str
    sha256: str
    size: int
    sealed: bool
    seq: int


class NamedStatements:
    def __init__(self, register: Register) -> None:
        self._register = register
        with register.atomic():
            known = register.rows("SELECT 1 FROM sqlite_master WHERE name = 'statement'")
            register.execute(_TABLE)
            if not known:
                # Journals stored before statements were looked for are read once more when they are opened.
                register.execute("UPDATE journal SET next_seq = 0")

    def name(self, named: NamedStatement) -> bool:
        """False when another line had already named it; the first naming stays."""
        with self._register.atomic():
            known = self.named(named.unit_id, named.statement_id)
            if known is not None:
                return known == named
            marks = ", ".join("?" * 7)
            self._register.execute(f"INSERT INTO statement VALUES ({marks}, NULL)", *astuple(named))
            return True

    def named(self, unit_id: str, statement_id: str) -> NamedStatement | None:
        rows = self._register.rows(
            "SELECT unit_id, statement_id, journal_id, sha256, size, sealed, seq FROM statement"
            " WHERE unit_id = ? AND statement_id = ?",
            unit_id,
            statement_id,
        )
        if not rows:
            return None
        unit, statement, journal, sha256, size, sealed, seq = rows[0]
        return NamedStatement(unit, statement, journal, sha256, size, bool(sealed), seq)

    def stored(self, named: NamedStatement, receipt_id: str) -> None:
        self._register.execute(
            "UPDATE statement SET receipt_id = ? WHERE unit_id = ? AND statement_id = ?",
            receipt_id,
            named.unit_id,
            named.statement_id,
        )

    def receipt(self, unit_id: str, statement_id: str) -> IssuedReceipt | None:
        rows = self._register.rows(
            "SELECT receipt_id FROM statement WHERE unit_id = ? AND statement_id = ? AND receipt_id IS NOT NULL",
            unit_id,
            statement_id,
        )
        return self._register.receipt(str(rows[0][0])) if rows else None
