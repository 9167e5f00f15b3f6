"""Bytes on their way in: positional writes, synced offsets, verification by reading back.

The offset of an upload is what its file durably holds. Within one boot of the machine that is the file's size, whatever
killed the process: the page cache outlives it, and the size is synced before it is answered. After a power cut only what
the register knows as synced counts, and the file is cut to it.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.store.disk import free_bytes, make_dirs, write_all
from hw_sim.agency.store.durable import Follower
from hw_sim.agency.store.register import Register, Upload
from recorder.evidence.encoding import b64u
from recorder.evidence.files import sync_dir

log = logging.getLogger("agency.store")

BLOCK = 64 * 1024
"""Of a body, taken from the socket at once, and held as long as the body is under way."""
CHECK_BYTES = 1 << 20
"""About so often it is looked whether there is room: a call of a microsecond."""
REJECTED = "rejected"
REJECTED_KEPT = 3
"""Attempts of one upload that did not match their digest and are kept for people to look at."""


@dataclass(frozen=True, slots=True)
class Received:
    """``offset`` durable now. ``complete``: all that was announced has come. ``refused``: the body was not what its
    checksum says, and was taken back. ``digest``: of the whole file as read back, where this body was all of it."""

    offset: int
    complete: bool
    refused: bool = False
    digest: bytes | None = None


class Staging:
    """Used under the upload's seat (``holders``)."""

    def __init__(
        self,
        directory: Path,
        register: Register,
        clock: Clock,
        free: Callable[[Path], int] = free_bytes,
        sync: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """``free(directory)``: bytes the disk has left. ``sync(fd)``: what makes bytes of an upload durable."""
        self._dir = directory
        self._register = register
        self._clock = clock
        self._free = free
        self._sync = sync
        self.boot_id = clock.boot_id()
        make_dirs(directory / REJECTED)

    def part(self, upload_id: str) -> Path:
        return self._dir / f"{upload_id}.part"

    def whole(self, upload_id: str) -> Path:
        return self._dir / f"{upload_id}.whole"

    def all_whole(self) -> Iterator[str]:
        """Ids of the uploads whose verified bytes lie here."""
        return (path.stem for path in self._dir.glob("*.whole"))

    def now(self) -> float:
        return self._clock.wall_us() / 1e6

    def create(self, upload: Upload) -> None:
        """File first, then the row: a row without its file does not come about."""
        fd = os.open(self.part(upload.upload_id), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.close(fd)
        sync_dir(self._dir)
        self._register.add_upload(upload)

    def offset(self, upload: Upload) -> int:
        """What may be answered for: durable when this returns."""
        if upload.state != "uploading":
            return upload.size
        try:
            fd = os.open(self.part(upload.upload_id), os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            # The crash came between the rename to ``.whole`` and the register.
            return upload.size if self.whole(upload.upload_id).exists() else 0
        try:
            size = os.fstat(fd).st_size
            if upload.boot_id != self.boot_id and size > upload.synced:
                os.ftruncate(fd, upload.synced)
                size = upload.synced
            if size != upload.synced or upload.boot_id != self.boot_id:
                try:
                    self._sync(fd)
                except OSError:
                    self._cut(fd, min(size, upload.synced))
                    raise
                self._register.upload_synced(upload.upload_id, size, self.boot_id, self.now())
            return size
        finally:
            os.close(fd)

    def receive(
        self,
        upload: Upload,
        offset: int,
        length: int,
        read: Callable[[memoryview], int],
        checksum: bytes | None = None,
        reserve: int = 0,
    ) -> Received:
        """Write ``length`` bytes of ``read`` (0: the end) from ``offset`` on; durable on return whatever happened.

        ``checksum``: SHA-256 of all ``length`` bytes. A body that came whole and is not that is taken back, and the offset
        is what it was. ``reserve`` bytes stay free on the disk, which others fill as well. Raises OSError (ENOSPC before
        the reserve is touched); what came before it is durable, and what the disk failed to sync is gone from the file.
        """
        begin, end = offset, offset + length
        fd = os.open(self.part(upload.upload_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

        def reached(durable: int) -> None:
            self._register.upload_synced(upload.upload_id, durable, self.boot_id, self.now())

        try:
            with Follower(fd, begin, reached, digest=begin == 0 or checksum is not None, sync=self._sync) as follower:
                try:
                    try:
                        offset = self._take(fd, offset, end, read, follower, reserve)
                    finally:
                        digest = follower.finish()
                except OSError:
                    if follower.unsynced:
                        self._cut(fd, follower.durable)
                    raise
            whole = offset == end
            if whole and checksum is not None and digest != checksum:
                os.ftruncate(fd, begin)
                self._sync(fd)
                reached(begin)
                return Received(begin, complete=False, refused=True)
            complete = offset == upload.size
            return Received(offset, complete, digest=digest if complete and begin == 0 else None)
        finally:
            os.close(fd)

    def _cut(self, fd: int, durable: int) -> None:
        """Behind a sync that failed (``Follower.unsynced``). The next HEAD goes by the size; that the size is synced too is
        only tried: after a power cut the register's offset counts."""
        os.ftruncate(fd, durable)
        try:
            self._sync(fd)
        except OSError as error:
            log.error("staging: 截断后仍无法同步 cut to %d, and that cannot be synced either: %s", durable, error)

    def _take(
        self, fd: int, offset: int, end: int, read: Callable[[memoryview], int], follower: Follower, reserve: int
    ) -> int:
        """The offset behind the last byte that came."""
        buffer = memoryview(bytearray(min(BLOCK, end - offset)))
        checked = offset - CHECK_BYTES
        while offset < end:
            if offset - checked >= CHECK_BYTES:
                checked = offset
                if self.free_bytes() < reserve:
                    raise OSError(errno.ENOSPC, "only the reserve is left")
            count = read(buffer[: min(len(buffer), end - offset)])
            if count == 0:
                break
            write_all(fd, buffer[:count], offset)
            offset += count
            follower.written(offset)
        return offset

    def verify(self, upload: Upload, digest: bytes | None = None) -> str | None:
        """Are digest and size as declared? Then the file is locked and becomes ``.whole``. None; else the digest it has.

        ``digest``: SHA-256 of the whole file, read back as it was made durable; without it the file is read here. What a
        receipt speaks of is read back once more, from the locked object (``keeping``)."""
        whole, part = self.whole(upload.upload_id), self.part(upload.upload_id)
        path = whole if whole.exists() else part
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if digest is None:
                with open(fd, "rb", closefd=False) as file:
                    digest = hashlib.file_digest(file, "sha256").digest()
            if b64u(digest) != upload.sha256 or os.fstat(fd).st_size != upload.size:
                return b64u(digest)
            os.fchmod(fd, 0o444)
            os.fsync(fd)
        finally:
            os.close(fd)
        if path is part:
            part.rename(whole)
            sync_dir(self._dir)
        self._register.upload_state(upload.upload_id, "whole")
        return None

    def rejected_size(self, upload: Upload) -> int:
        """Bytes of all attempts that lie apart once the latest is rejected, too."""
        earlier = (self._rejected(upload.upload_id, number) for number in range(1, REJECTED_KEPT))
        return sum(path.stat().st_size for path in (self._latest(upload.upload_id), *earlier) if path.exists())

    def reject(self, upload: Upload, keep: bool) -> None:
        """Keep the bytes apart (the last few attempts), or drop them, and begin again at 0."""
        latest = self._latest(upload.upload_id)
        # The row first: after a crash in between, the bytes are verified and rejected once more.
        self._register.upload_synced(upload.upload_id, 0, self.boot_id, self.now())
        if keep:
            for number in range(REJECTED_KEPT, 0, -1):
                source = latest if number == 1 else self._rejected(upload.upload_id, number - 1)
                if source.exists():
                    source.rename(self._rejected(upload.upload_id, number))
            sync_dir(self._dir / REJECTED)
        else:
            latest.unlink(missing_ok=True)
        os.close(os.open(self.part(upload.upload_id), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_dir(self._dir)

    def _latest(self, upload_id: str) -> Path:
        whole = self.whole(upload_id)
        return whole if whole.exists() else self.part(upload_id)

    def _rejected(self, upload_id: str, number: int) -> Path:
        """1: the newest."""
        return self._dir / REJECTED / f"{upload_id}.{number}"

    def discard(self, upload: Upload) -> None:
        """Termination or expiry of an unfinished upload: row first, so that a crash leaves a file and no promise."""
        self._register.forget_upload(upload.upload_id)
        self.part(upload.upload_id).unlink(missing_ok=True)

    def orphans(self, if_free: Callable[[str], AbstractContextManager[bool]]) -> int:
        """Remove partial files no row knows (a crash while creating or discarding); the number removed.

        ``if_free(upload_id)``: the upload's seat, unless somebody has it (who may be creating it at this moment)."""
        removed = 0
        for path in self._dir.glob("*.part"):
            with if_free(path.stem) as held:
                if held and self._register.upload(path.stem) is None:
                    path.unlink(missing_ok=True)
                    removed += 1
        return removed

    def free_bytes(self) -> int:
        return self._free(self._dir)
