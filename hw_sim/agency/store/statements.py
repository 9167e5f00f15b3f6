"""Documents of written statements (art. 23) over HTTP: taken, checked against their digest, settled with the journal."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import re
from pathlib import Path
from uuid import uuid4

from firmware_bridge.ports import Clock
from hw_sim.agency.store.disk import FULL, write_all
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.problem import (
    BAD_REQUEST,
    DIGEST_CONFLICT,
    DIGEST_MISMATCH,
    LENGTH_REQUIRED,
    NO_RECEIPT,
    STORE_FULL,
    TOO_LARGE,
    UNFINISHED,
    Problem,
)
from hw_sim.agency.store.routes import UUID, Exchange, Reply, Route, jose_reply, json_reply, route
from hw_sim.agency.store.segments import Gone
from hw_sim.agency.store.statement_shelf import MOST_WAITING, StatementShelf
from recorder.evidence.encoding import b64u
from recorder.evidence.files import sync_dir
from recorder.evidence.statement_files import MAX_DOCUMENT

log = logging.getLogger("agency.store")

MAX_BODY = MAX_DOCUMENT + (MAX_DOCUMENT >> 8) + 8192
"""A document in its age file: 16 bytes more for each 64 KiB, and a header with some recipients."""
BLOCK = 128 * 1024
PART = "statement-"
PART_KEPT_S = 3600.0
_DIGEST = re.compile(r"^sha-256=:([A-Za-z0-9+/=]+):$")


class StatementDesk:
    """``PUT`` and receipts. Thread-safe."""

    def __init__(self, directory: Path, journals: JournalDesk, shelf: StatementShelf, clock: Clock) -> None:
        """``directory``: for bodies on their way in."""
        self._dir = directory
        self._clock = clock
        self._journals = journals
        self._shelf = shelf

    def routes(self) -> tuple[Route, ...]:
        path = rf"/journals/({UUID})/statements/({UUID})"
        return (route("PUT", path, self._put), route("GET", f"{path}/receipt", self._receipt))

    def _put(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        unit_id, journal_id, statement_id = exchange.peer, match[1], match[2]
        sha256 = repr_digest(exchange.headers.get("Repr-Digest", ""))
        if "Content-Length" not in exchange.headers:
            raise Problem(LENGTH_REQUIRED)
        if exchange.left > MAX_BODY:
            raise Problem(TOO_LARGE, f"{exchange.left} > {MAX_BODY}")
        self._journals.settle_statement(unit_id, journal_id, statement_id)
        named = self._shelf.named(unit_id, statement_id)
        receipt = self._shelf.receipt(unit_id, statement_id)
        if named is None or receipt is None or named.sha256 != sha256:
            self._take(exchange, journal_id, statement_id, sha256)
            self._journals.settle_statement(unit_id, journal_id, statement_id)
            named, receipt = self._shelf.named(unit_id, statement_id), self._shelf.receipt(unit_id, statement_id)
        if named is None:
            return json_reply(202, {"state": "awaiting-journal"})
        if named.journal_id != journal_id or named.sha256 != sha256:
            raise Problem(DIGEST_CONFLICT, f"statement {statement_id}")
        if receipt is None:
            return json_reply(202, {"state": "awaiting-store"})
        return json_reply(200, {"state": "stored", "receipt": receipt.jws})

    def _take(self, exchange: Exchange, journal_id: str, statement_id: str, sha256: str) -> None:
        """The body, durable on the shelf, if it has the digest it came under; else Problem 460 and nothing is kept."""
        unit_id = exchange.peer
        target = self._shelf.place(unit_id, journal_id, statement_id, sha256)
        if not target.exists() and len(self._shelf.waiting(unit_id)) >= MOST_WAITING:
            raise Problem(UNFINISHED, f"{MOST_WAITING} statements wait for the journal", headers={"Retry-After": "60"})
        part = self._dir / f"{PART}{uuid4()}"
        try:
            self._write(exchange, part, sha256, statement_id)
            part.rename(target)
            sync_dir(target.parent)
        except OSError as error:
            if error.errno in FULL:
                raise Problem(STORE_FULL, os.strerror(error.errno or 0)) from error
            raise
        finally:
            part.unlink(missing_ok=True)

    @staticmethod
    def _write(exchange: Exchange, part: Path, sha256: str, statement_id: str) -> None:
        digest, offset = hashlib.sha256(), 0
        buffer = memoryview(bytearray(BLOCK))
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while exchange.left:
                count = exchange.read(buffer[: min(BLOCK, exchange.left)])
                if count == 0:
                    raise Gone("ended in the middle of its body")
                write_all(fd, buffer[:count], offset)
                digest.update(buffer[:count])
                offset += count
            if b64u(digest.digest()) != sha256:
                raise Problem(DIGEST_MISMATCH, f"statement {statement_id}")
            os.fsync(fd)
        finally:
            os.close(fd)

    def _receipt(self, exchange: Exchange, match: re.Match[str]) -> Reply:
        unit_id, journal_id, statement_id = exchange.peer, match[1], match[2]
        self._journals.settle_statement(unit_id, journal_id, statement_id)
        named = self._shelf.named(unit_id, statement_id)
        receipt = self._shelf.receipt(unit_id, statement_id)
        if named is not None and named.journal_id == journal_id and receipt is not None:
            return jose_reply(receipt.jws)
        waiting = bool(self._shelf.waiting(unit_id, journal_id, statement_id))
        state = "unknown" if not waiting else "awaiting-journal" if named is None else "awaiting-store"
        raise Problem(NO_RECEIPT, f"statement {statement_id}", state=state)

    # --- housekeeping -------------------------------------------------------------------------------------------------

    def settle_all(self) -> None:
        """One that fails must not hold up the others."""
        for unit_id, journal_id, statement_id in self._shelf.all_waiting():
            try:
                self._journals.settle_statement(unit_id, journal_id, statement_id)
            except Exception:
                log.exception("statement %s of %s", statement_id, unit_id)
        self._sweep()

    def _sweep(self) -> None:
        """What a killed instance left of a body; a living one takes seconds for its own."""
        before = self._clock.wall_us() / 1e6 - PART_KEPT_S
        for part in self._dir.glob(f"{PART}*"):
            if part.is_file() and part.stat().st_mtime < before:
                part.unlink(missing_ok=True)


def repr_digest(text: str) -> str:
    """``Repr-Digest: sha-256=:<base64>:`` (RFC 9530) as the journal writes digests. Raises Problem 400."""
    match = _DIGEST.match(text.strip())
    try:
        digest = base64.b64decode(match[1], validate=True) if match else b""
    except binascii.Error:
        digest = b""
    if len(digest) != 32:
        raise Problem(BAD_REQUEST, f"Repr-Digest {text[:100]!r}: 须为 must be sha-256=:…:")
    return b64u(digest)
