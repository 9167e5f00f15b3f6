"""Documents of written statements that wait for their journal, and what becomes of each when the journal names it.

``staging/statements/<unit_id>/<journal_id>.<statement_id>.<sha256>``: come whole with the digest they were sent under, not
yet named by the journal. More than one may wait under one name; the journal says which it is.
"""

from __future__ import annotations

import logging
from pathlib import Path

from hw_sim.agency.objects.ports import ObjectConflict, ObjectStoreError
from hw_sim.agency.store.apart import ApartDesk, Contradiction
from hw_sim.agency.store.disk import make_dirs
from hw_sim.agency.store.keeping import Keeper, KeptStatement
from hw_sim.agency.store.named_statements import NamedStatement, NamedStatements
from hw_sim.agency.store.register import IssuedReceipt, Register
from hw_sim.agency.store.vault import Vault
from recorder.evidence.files import sync_dir
from recorder.evidence.records import Statement
from recorder.evidence.statement_files import file_name

log = logging.getLogger("agency.store")

MOST_WAITING = 16
"""Of one unit: it posts its journal first, so hardly any wait."""


class StatementShelf:
    def __init__(self, directory: Path, register: Register, keeper: Keeper, apart: ApartDesk) -> None:
        self._dir = directory
        self._named = NamedStatements(register)
        self._keeper = keeper
        self._apart = apart
        make_dirs(directory)

    # --- what the journal says ----------------------------------------------------------------------------------------

    def name(self, unit_id: str, journal_id: str, seq: int, record: Statement) -> None:
        """Within the transaction that reads the journal into the register."""
        named = NamedStatement(
            unit_id,
            record.statement_id,
            journal_id,
            record.stored_sha256,
            record.stored_size,
            record.sealed,
            seq,
        )
        if not self._named.name(named):
            log.error("statement %s of %s named twice, at %d: the first stands", record.statement_id, unit_id, seq)

    def named(self, unit_id: str, statement_id: str) -> NamedStatement | None:
        return self._named.named(unit_id, statement_id)

    def receipt(self, unit_id: str, statement_id: str) -> IssuedReceipt | None:
        return self._named.receipt(unit_id, statement_id)

    # --- what has come ------------------------------------------------------------------------------------------------

    def place(self, unit_id: str, journal_id: str, statement_id: str, sha256: str) -> Path:
        """Where a document waits; its folder exists."""
        folder = self._dir / unit_id
        make_dirs(folder)
        return folder / f"{journal_id}.{statement_id}.{sha256}"

    def waiting(self, unit_id: str, journal_id: str = "*", statement_id: str = "*") -> list[Path]:
        return sorted((self._dir / unit_id).glob(f"{journal_id}.{statement_id}.*"))

    def all_waiting(self) -> list[tuple[str, str, str]]:
        """(unit_id, journal_id, statement_id) of whatever waits."""
        found = []
        for path in sorted(self._dir.glob("*/*.*.*")):
            journal_id, statement_id, _ = path.name.split(".")
            found.append((path.parent.name, journal_id, statement_id))
        return found

    def settle(self, vault: Vault, statement_id: str) -> KeptStatement | None:
        """Store the document the journal names, if it has come; set others under its name aside. None: nothing to store
        (any more, or yet). Under the journal's lock; repeatable after a crash at any point. Raises OSError."""
        named = self._named.named(vault.unit_id, statement_id)
        if named is None or named.journal_id != vault.journal_id:
            return None
        stored = self._named.receipt(vault.unit_id, statement_id) is not None
        kept = None
        for path in self.waiting(vault.unit_id, vault.journal_id, statement_id):
            sha256 = path.name.rpartition(".")[2]
            if sha256 != named.sha256 or path.stat().st_size != named.size:
                self._set_aside(vault, path, named, sha256)
            elif stored:
                path.unlink()
            else:
                kept = self._keep(vault, path, named)
        return kept

    def _keep(self, vault: Vault, path: Path, named: NamedStatement) -> KeptStatement | None:
        """The waiting name stays until the document is registered (``settle`` again)."""
        path.chmod(0o444)
        try:
            kept = self._keeper.keep_statement(path, named)
        except ObjectConflict:
            self._set_aside(vault, path, named, named.sha256)
            return None
        except ObjectStoreError as error:
            log.error("statement %s of %s stays staged: %s", named.statement_id, named.unit_id, error)
            return None
        # Beside the journal too when objects are kept elsewhere: the vault alone is then what ``recorder verify`` reads.
        local = vault.path / file_name(named.statement_id, named.sealed)
        if not local.exists():
            make_dirs(local.parent)
            local.hardlink_to(path)
            sync_dir(local.parent)
        return kept

    def _set_aside(self, vault: Vault, path: Path, named: NamedStatement, sha256: str) -> None:
        kept = self._apart.contradicts(
            vault,
            path,
            Contradiction(named.statement_id, sha256, named.sha256),
            "statement-conflict",
            "收到的书面说明与日志记载的摘要或大小不符",
            "a written statement contradicts the journal's digest or size",
            statement_id=named.statement_id,
        )
        if not kept:
            path.unlink(missing_ok=True)
