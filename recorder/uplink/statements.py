"""Documents of written statements (art. 23) on their way to the store: the book decides, the sender sends.

A statement goes up once the journal is there up to its record, before any segment: it is small, and what it explains may be
judged on it. It is done when a receipt naming its digest and size is on disk; the unit keeps the document all the same.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence.encoding import unb64u
from recorder.uplink.answers import NoReceipt, fault_of, members, no_receipt
from recorder.uplink.backoff import BackoffPolicy
from recorder.uplink.facts import Fact, JournalReset, Statement
from recorder.uplink.faults import (
    PROTOCOL,
    RECEIPT_PENDING,
    STATEMENT_CONFLICT,
    STATEMENT_MISSING,
    STATEMENT_SIZE,
    UplinkFault,
)
from recorder.uplink.http import StoreClient


@dataclass(slots=True)
class _Item:
    statement: Statement
    attempts: int = 0
    not_before_us: int = 0


class StatementBook:
    """Pure: time and randomness are arguments. One owner, no locks."""

    def __init__(self, policy: BackoffPolicy) -> None:
        self._policy = policy
        self._items: dict[str, _Item] = {}
        self._receipts: dict[str, tuple[str, int]] = {}

    def apply(self, fact: Fact) -> None:
        if isinstance(fact, Statement):
            if self._receipts.get(fact.statement_id) != (fact.sha256, fact.size):
                self._items.setdefault(fact.statement_id, _Item(fact))
        elif isinstance(fact, JournalReset):
            self._items.clear()

    def receipted(self, statement_id: str, sha256: str, size: int) -> bool:
        """A receipt that verified is on disk. False when it names another document than the journal does: not done."""
        self._receipts[statement_id] = (sha256, size)
        item = self._items.get(statement_id)
        if item is None:
            return True
        if (item.statement.sha256, item.statement.size) != (sha256, size):
            return False
        del self._items[statement_id]
        return True

    def next(self, now_us: int, posted_seq: int) -> Statement | None:
        """What to send now: in the order of the journal, and nothing the store's journal does not name yet."""
        ready = [
            item.statement
            for item in self._items.values()
            if item.statement.seq <= posted_seq and item.not_before_us <= now_us
        ]
        return min(ready, key=lambda statement: statement.seq, default=None)

    def failed(self, statement_id: str, now_us: int, fraction: float, retry_after_s: float | None = None) -> float:
        """Rest after a fault; returns the pause in seconds."""
        item = self._items.get(statement_id)
        if item is None:
            return 0.0
        item.attempts += 1
        delay = self._policy.delay_s(item.attempts, fraction, retry_after_s)
        item.not_before_us = now_us + round(delay * 1e6)
        return delay

    @property
    def waiting(self) -> int:
        return len(self._items)


class StatementSender:
    """``statements_dir``: of the unit's data folder."""

    def __init__(self, client: StoreClient, statements_dir: Path) -> None:
        self._client = client
        self._dir = statements_dir

    def send(self, statement: Statement, between_blocks: Callable[[], None]) -> str:
        """The receipt's JWS, not verified yet. Raises UplinkFault, LinkFault, Stopped."""
        path = f"/journals/{statement.journal_id}/statements/{statement.statement_id}"
        answer = self._client.request("GET", f"{path}/receipt", {})
        if answer.status == 200:
            return answer.body.decode("ascii", "replace").strip()
        if answer.status != 404:
            raise fault_of(answer, statement.statement_id)
        if no_receipt(answer) is NoReceipt.ASK_LATER:
            state = members(answer).get("state")
            raise UplinkFault(RECEIPT_PENDING, f"state {state}", subject=statement.statement_id)
        return self._put(statement, path, between_blocks)

    def _put(self, statement: Statement, path: str, between_blocks: Callable[[], None]) -> str:
        digest = base64.b64encode(unb64u(statement.sha256)).decode("ascii")
        headers = {"Content-Type": "application/octet-stream", "Repr-Digest": f"sha-256=:{digest}:"}
        with self._file(statement).open("rb", buffering=0) as file:
            answer = self._client.send_file("PUT", path, headers, file, statement.size, between_blocks)
        said = members(answer)
        if answer.status == 409:
            raise UplinkFault(STATEMENT_CONFLICT, str(said.get("detail", ""))[:200], subject=statement.statement_id)
        if answer.status == 202:
            raise UplinkFault(RECEIPT_PENDING, f"state {said.get('state')}", subject=statement.statement_id)
        if answer.status != 200:
            raise fault_of(answer, statement.statement_id)
        receipt = said.get("receipt")
        if not isinstance(receipt, str):
            raise UplinkFault(PROTOCOL, "200 without a receipt", subject=statement.statement_id)
        return receipt

    def _file(self, statement: Statement) -> Path:
        path = self._dir / f"{statement.statement_id}.document{'.age' if statement.sealed else ''}"
        try:
            size = path.stat().st_size
        except OSError as error:
            raise UplinkFault(STATEMENT_MISSING, f"{path}: {error.strerror}", subject=statement.statement_id) from error
        if size != statement.size:
            raise UplinkFault(STATEMENT_SIZE, f"{path.name}: {size}, 日志 journal {statement.size}")
        return path
