"""Uploads of segments: tus 1.0.0 (creation, checksum, expiration, termination) as docs/wire.md fixes it, and what follows.

An upload's id is a digest of who uploads what, so creation is idempotent without a table of requests and a unit cannot
guess its way to another one's: the id of the same segment under another certificate is a different one.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hw_sim.agency.store.alarms import Alarms
from hw_sim.agency.store.apart import ApartDesk, rejected_name
from hw_sim.agency.store.disk import FULL
from hw_sim.agency.store.holders import Holders, StillHeld
from hw_sim.agency.store.journals import JournalDesk
from hw_sim.agency.store.problem import (
    BAD_REQUEST,
    CHECKSUM_MISMATCH,
    DIGEST_CONFLICT,
    DIGEST_MISMATCH,
    LOCKED,
    NO_RECEIPT,
    NOT_FOUND,
    STORE_FULL,
    TOO_LARGE,
    UPLOAD_COMPLETE,
    WRONG_OFFSET,
    Problem,
)
from hw_sim.agency.store.quota import QuotaDesk
from hw_sim.agency.store.register import Register, StoredObject, Upload
from hw_sim.agency.store.register_problem import register_problems
from hw_sim.agency.store.staging import Staging
from recorder.units import MB

log = logging.getLogger("agency.store")

UUID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
DIGEST = re.compile(r"^[A-Za-z0-9_-]{43}$")


@dataclass(frozen=True, slots=True)
class Limits:
    """``expire_s``: an unfinished upload nobody touched is given up after this (72 h at least: a unit may be away).
    ``reserve``: bytes that stay free, so that journals are still taken when media no longer fit."""

    max_size: int = 16_000 * MB
    reserve: int = 256 * MB
    expire_s: float = 14 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Claim:
    """``Upload-Metadata`` of a creation, checked: everything in it becomes part of a path or a key."""

    journal_id: str
    session_id: str
    segment_id: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Place:
    """Answer to POST, HEAD, PATCH. ``expires_at``: seconds; None once complete."""

    upload_id: str
    offset: int
    size: int
    expires_at: float | None


class Gone(Exception):
    """The client is gone in the middle of its request: there is nobody to answer."""


def upload_id_of(unit_id: str, segment_id: str, sha256: str) -> str:
    return hashlib.sha256(f"{unit_id}\n{segment_id}\n{sha256}".encode()).hexdigest()[:40]


def claim_of(metadata: dict[str, str], size: int) -> Claim:
    """Raises Problem naming the member that is missing or wrong."""
    for name in ("journal_id", "session_id", "segment_id"):
        if not UUID.match(metadata.get(name, "")):
            raise Problem(BAD_REQUEST, f"Upload-Metadata {name}: 不是 UUID not a lower-case UUID")
    if not DIGEST.match(metadata.get("sha256", "")):
        raise Problem(BAD_REQUEST, "Upload-Metadata sha256: not a base64url SHA-256")
    if size <= 0:
        raise Problem(BAD_REQUEST, f"Upload-Length {size}: must be 1 or more")
    return Claim(metadata["journal_id"], metadata["session_id"], metadata["segment_id"], metadata["sha256"], size)


class SegmentDesk:
    """Thread-safe; ``connection`` is the request's socket, so that a later request can throw it off."""

    def __init__(
        self,
        register: Register,
        staging: Staging,
        journals: JournalDesk,
        alarms: Alarms,
        limits: Limits,
        holders: Holders,
        quota: QuotaDesk,
        apart: ApartDesk,
    ) -> None:
        self._register = register
        self._staging = staging
        self._journals = journals
        self._alarms = alarms
        self._limits = limits
        self._holders = holders
        self._quota = quota
        self._apart = apart
        self._failures: set[str] = set()

    @property
    def max_size(self) -> int:
        return self._limits.max_size

    # --- requests ----------------------------------------------------------------------------------------------------

    @register_problems()
    def create(self, unit_id: str, claim: Claim, connection: socket.socket | None) -> Place:
        if claim.size > self._limits.max_size:
            raise Problem(TOO_LARGE, f"Upload-Length {claim.size} > {self._limits.max_size}")
        upload_id = upload_id_of(unit_id, claim.segment_id, claim.sha256)
        with self._hold(upload_id, connection):
            known = self._register.upload(upload_id)
            if known is None:
                self._quota.admit(unit_id, claim.size)
                # One transaction: of two creations at once the second counts what the first was promised.
                with _disk_full(), self._register.atomic():
                    promised = self._register.promised_bytes()
                    if self._staging.free_bytes() < claim.size + promised + self._limits.reserve:
                        raise Problem(STORE_FULL, f"{claim.size} bytes do not fit, {promised} are promised")
                    self._staging.create(self._fresh(upload_id, unit_id, claim))
                return self._place(upload_id, 0, claim.size)
            if known.size != claim.size:
                raise Problem(BAD_REQUEST, f"Upload-Length {claim.size}: this upload was created with {known.size}")
            return self._where(known)

    @register_problems()
    def head(self, unit_id: str, upload_id: str, connection: socket.socket | None) -> Place:
        self._mine(unit_id, upload_id)
        with self._hold(upload_id, connection):
            return self._where(self._mine(unit_id, upload_id))

    @register_problems()
    def patch(
        self,
        unit_id: str,
        upload_id: str,
        offset: int,
        length: int,
        read: Callable[[memoryview], int],
        connection: socket.socket | None,
        checksum: bytes | None = None,
    ) -> Place | None:
        """Take ``length`` bytes at ``offset``. None: the connection ended early (what came is kept).

        ``checksum``: SHA-256 of the whole body (tus checksum), judged before the offset moves: a body without it is
        discarded. One that ended early cannot be judged and is kept like any other; the segment's own digest, read back
        from the disk at the end, is what counts.
        """
        self._mine(unit_id, upload_id)
        with self._hold(upload_id, connection):
            upload = self._mine(unit_id, upload_id)
            place = self._where(upload)
            if offset != place.offset:
                raise Problem(
                    WRONG_OFFSET,
                    f"Upload-Offset {offset}, have {place.offset}",
                    headers={"Upload-Offset": str(place.offset)},
                    offset=place.offset,
                )
            if offset + length > upload.size:
                raise Problem(TOO_LARGE, f"{offset} + {length} > {upload.size}")
            if length == 0:
                return place
            with _disk_full():
                received = self._staging.receive(upload, offset, length, read, checksum, self._limits.reserve)
            if received.refused:
                raise Problem(
                    CHECKSUM_MISMATCH,
                    f"{length} bytes at {offset}",
                    headers={"Upload-Offset": str(offset)},
                    offset=offset,
                )
            if received.offset < offset + length:
                return None
            if received.complete:
                self._finish(upload, received.digest)
            return self._place(upload_id, received.offset, upload.size)

    @register_problems()
    def terminate(self, unit_id: str, upload_id: str, connection: socket.socket | None) -> None:
        self._mine(unit_id, upload_id)
        with self._hold(upload_id, connection):
            upload = self._mine(unit_id, upload_id)
            if upload.state != "uploading" or self._staging.offset(upload) == upload.size:
                raise Problem(UPLOAD_COMPLETE)
            self._staging.discard(upload)

    @register_problems()
    def receipt(self, unit_id: str, journal_id: str, segment_id: str) -> str:
        """The JWS. Problem 404 with ``state`` while there is none."""
        self._settle_if_named(unit_id, segment_id)
        stored = self._register.object(unit_id, segment_id)
        if stored is not None and stored.journal_id != journal_id:
            stored = None
        return self._receipt_or(stored, self._register.uploads_of(unit_id, segment_id), f"segment {segment_id}")

    @register_problems()
    def receipt_of_digest(self, unit_id: str, sha256: str) -> str:
        """The same for whoever has the bytes and not their name."""
        for upload in self._register.uploads_of_digest(unit_id, sha256):
            self._settle_if_named(unit_id, upload.segment_id)
        stored = self._register.object_of_digest(unit_id, sha256)
        return self._receipt_or(stored, self._register.uploads_of_digest(unit_id, sha256), f"sha256 {sha256}")

    def _receipt_or(self, stored: StoredObject | None, uploads: list[Upload], what: str) -> str:
        receipt = None if stored is None else self._register.receipt(stored.receipt_id)
        if receipt is not None:
            return receipt.jws
        states = {upload.state for upload in uploads}
        state = "uploading" if "uploading" in states else "unknown"
        if "whole" in states:
            named = any(self._register.named(item.unit_id, item.segment_id) for item in uploads)
            state = "awaiting-store" if named else "awaiting-journal"
        raise Problem(NO_RECEIPT, what, state=state)

    # --- after the last byte -----------------------------------------------------------------------------------------

    def _finish(self, upload: Upload, digest: bytes | None = None) -> None:
        """Read back (``digest``: it has been already), lock, and place it when the journal names it. Raises Problem 460 or
        409."""
        wrong = self._staging.verify(upload, digest)
        if wrong is not None:
            kept = self._apart.admit(
                upload.unit_id, rejected_name(upload.upload_id), self._staging.rejected_size(upload)
            )
            self._apart.say(
                kept,
                upload.unit_id,
                "digest-mismatch",
                "上传的数据与声明的摘要不符",
                "uploaded bytes do not have the declared digest",
                segment_id=upload.segment_id,
                declared=upload.sha256,
                found=wrong,
            )
            self._staging.reject(upload, keep=kept.kept)
            raise Problem(DIGEST_MISMATCH, f"segment {upload.segment_id}", offset=0, headers={"Upload-Offset": "0"})
        self._settle_if_named(upload.unit_id, upload.segment_id)
        now = self._register.upload(upload.upload_id)
        if now is not None and now.state == "conflict":
            raise Problem(DIGEST_CONFLICT, f"segment {upload.segment_id}")

    def _settle_if_named(self, unit_id: str, segment_id: str) -> None:
        """Bytes whole and the journal names them: place and receipt. Either of the two may have come last."""
        named = self._register.named(unit_id, segment_id)
        if named is None:
            return
        if any(upload.state == "whole" for upload in self._register.uploads_of(unit_id, segment_id)):
            with _disk_full():
                self._journals.settle(named)

    # --- housekeeping ------------------------------------------------------------------------------------------------

    def recover(self) -> None:
        """Finish what a crash interrupted: verification after the last byte, placing, cleaning."""
        self._staging.orphans(self._holders.hold_if_free)
        for upload in self._register.uploads_in("uploading"):
            try:
                with self._holders.hold_if_free(upload.upload_id) as held:
                    current = self._register.upload(upload.upload_id) if held else None
                    if current is not None and current.state == "uploading":
                        self._where(current)
            except Problem as problem:
                log.error("upload %s of %s: %s", upload.upload_id, upload.unit_id, problem)
            except Exception as error:
                log.exception("segment %s of %s", upload.segment_id, upload.unit_id)
                self._failed(upload, error)
        self.settle_all()
        # From the folder, not from the register: that holds every upload there ever was.
        for upload_id in self._staging.all_whole():
            left = self._register.upload(upload_id)
            if left is not None and left.state in ("stored", "conflict"):
                self._staging.whole(upload_id).unlink(missing_ok=True)

    def settle_all(self) -> None:
        """One that fails (a damaged journal, a full disk) must not hold up the others."""
        for upload in self._register.uploads_in("whole"):
            try:
                self._settle_if_named(upload.unit_id, upload.segment_id)
            except Problem as problem:
                log.error("segment %s of %s: %s", upload.segment_id, upload.unit_id, problem)
            except Exception as error:
                log.exception("segment %s of %s", upload.segment_id, upload.unit_id)
                self._failed(upload, error)

    def _failed(self, upload: Upload, error: Exception) -> None:
        """Alarmed once in this process: it is tried again each minute."""
        if upload.upload_id in self._failures:
            return
        self._failures.add(upload.upload_id)
        self._alarms.raise_alarm(
            "segment-unsettled",
            "无法完成该片段的入库，将继续重试，其余片段不受影响",
            "this segment could not be settled; it is tried again, the others are not affected",
            unit_id=upload.unit_id,
            segment_id=upload.segment_id,
            error=f"{type(error).__name__}: {error}"[:500],
        )

    def expire(self) -> int:
        """Give up unfinished uploads nobody has touched for long; the unit creates them again. How many."""
        before = self._staging.now() - self._limits.expire_s
        count = 0
        for upload in self._register.expired_uploads(before):
            with self._holders.hold_if_free(upload.upload_id) as held:
                current = self._register.upload(upload.upload_id) if held else None
                if current is not None and current.state == "uploading" and current.touched_at < before:
                    log.info("upload %s of %s expired", upload.upload_id, upload.unit_id)
                    self._staging.discard(current)
                    count += 1
        return count

    # --- helpers -----------------------------------------------------------------------------------------------------

    def _mine(self, unit_id: str, upload_id: str) -> Upload:
        upload = self._register.upload(upload_id)
        if upload is None or upload.unit_id != unit_id:
            raise Problem(NOT_FOUND, "upload")
        return upload

    @contextmanager
    def _hold(self, upload_id: str, connection: socket.socket | None) -> Iterator[None]:
        try:
            with self._holders.hold(upload_id, connection):
                yield
        except StillHeld as error:
            raise Problem(LOCKED, headers={"Retry-After": "2"}) from error

    def _where(self, upload: Upload) -> Place:
        """The durable offset; an upload whose last byte came just before a crash is finished first."""
        if upload.state == "conflict":
            raise Problem(DIGEST_CONFLICT, f"segment {upload.segment_id}")
        offset = self._staging.offset(upload)
        if upload.state == "uploading" and offset == upload.size:
            self._finish(upload)
        return self._place(upload.upload_id, offset, upload.size)

    def _place(self, upload_id: str, offset: int, size: int) -> Place:
        expires_at = None if offset == size else self._staging.now() + self._limits.expire_s
        return Place(upload_id, offset, size, expires_at)

    def _fresh(self, upload_id: str, unit_id: str, claim: Claim) -> Upload:
        return Upload(
            upload_id=upload_id,
            unit_id=unit_id,
            journal_id=claim.journal_id,
            session_id=claim.session_id,
            segment_id=claim.segment_id,
            sha256=claim.sha256,
            size=claim.size,
            state="uploading",
            synced=0,
            boot_id=self._staging.boot_id,
            touched_at=self._staging.now(),
        )


@contextmanager
def _disk_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise Problem(STORE_FULL, os.strerror(error.errno or 0)) from error
        raise
