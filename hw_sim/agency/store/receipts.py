"""储存回执: made, signed and registered; filed in the vault before anybody gets them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from firmware_bridge.ports import Clock
from hw_sim.agency.store.journal_rules import Head
from hw_sim.agency.store.keeping import Kept, KeptStatement
from hw_sim.agency.store.named_statements import NamedStatements
from hw_sim.agency.store.register import IssuedReceipt, Register, StoredObject
from hw_sim.agency.store.vault import Vault
from recorder.evidence import jws
from recorder.evidence.jws import Signer
from recorder.evidence.records import Receipt, StoredSegment, StoredStatement


class ReceiptDesk:
    def __init__(self, register: Register, signer: Signer, clock: Clock, issuer: str) -> None:
        self._register = register
        self._statements = NamedStatements(register)
        self._signer = signer
        self._clock = clock
        self._issuer = issuer

    def issue(
        self, vault: Vault, head: Head, placed: Sequence[Kept], statements: Sequence[KeptStatement] = ()
    ) -> IssuedReceipt:
        """A receipt over the journal's head and what was just stored; durable on return.

        Without any the newest receipt is returned again when it covers this very head. Called under the journal's
        lock. Raises OSError, sqlite3.Error.
        """
        assert head.digest is not None and head.kid is not None, "a receipt needs a stored line"
        latest = self._register.latest_receipt(vault.journal_id)
        if not placed and not statements and latest is not None and latest.head_seq == head.next_seq - 1:
            self.file(vault, latest)
            return latest
        now = round(self._clock.wall_us() / 1e6, 3)
        receipt = Receipt(
            ver=1,
            iss=self._issuer,
            iat=now,
            jti=str(uuid4()),
            unit_id=vault.unit_id,
            device_kid=head.kid,
            journal_id=vault.journal_id,
            head_seq=head.next_seq - 1,
            head_digest=head.digest,
            segments=tuple(_stored(kept, now) for kept in placed),
            statements=tuple(_stored_statement(kept, now) for kept in statements),
            gaps=tuple(self._register.gaps(vault.journal_id)),
        )
        # A unit that has never heard of statements or gaps has none, and refuses a receipt with members it does not know.
        left_out = {name for name in ("statements", "gaps") if not getattr(receipt, name)}
        issued = IssuedReceipt(
            receipt_id=receipt.jti,
            unit_id=vault.unit_id,
            journal_id=vault.journal_id,
            head_seq=receipt.head_seq,
            issued_at=now,
            segments=len(placed) + len(statements),
            jws=jws.sign("receipt", receipt.model_dump(mode="json", exclude=left_out), self._signer),
        )
        with self._register.atomic():
            self._register.add_receipt(issued, [_object(kept, issued) for kept in placed])
            for stated in statements:
                self._statements.stored(stated.named, issued.receipt_id)
        self.file(vault, issued)
        if latest is not None and latest.segments == 0:
            vault.drop_receipt_file(latest.receipt_id)
        return issued

    def file(self, vault: Vault, receipt: IssuedReceipt) -> None:
        vault.file_receipt(receipt.receipt_id, receipt.jws)

    def refile(self, vault: Vault) -> None:
        """After a start: a crash may have come between the registration and the file."""
        present = vault.receipt_files()
        for receipt_id in self._register.filed_receipts(vault.journal_id):
            receipt = self._register.receipt(receipt_id)
            if receipt_id not in present and receipt is not None:
                self.file(vault, receipt)


def _stored(kept: Kept, now: float) -> StoredSegment:
    named = kept.named
    return StoredSegment(
        segment_id=named.segment_id,
        session_id=named.session_id,
        sha256=named.sha256,
        size=named.size,
        object=kept.key,
        version=kept.version,
        lock_mode=kept.lock_mode,
        retain_until=kept.retain_until,
        stored_at=now,
    )


def _stored_statement(kept: KeptStatement, now: float) -> StoredStatement:
    return StoredStatement(
        statement_id=kept.named.statement_id,
        sha256=kept.named.sha256,
        size=kept.named.size,
        object=kept.key,
        version=kept.version,
        lock_mode=kept.lock_mode,
        retain_until=kept.retain_until,
        stored_at=now,
    )


def _object(kept: Kept, receipt: IssuedReceipt) -> StoredObject:
    named = kept.named
    return StoredObject(
        unit_id=named.unit_id,
        journal_id=named.journal_id,
        segment_id=named.segment_id,
        session_id=named.session_id,
        sha256=named.sha256,
        size=named.size,
        path=kept.key,
        stored_at=receipt.issued_at,
        receipt_id=receipt.receipt_id,
    )
