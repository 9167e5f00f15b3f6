"""Bytes on their way in: positional writes, synced offsets, verification by reading back.

The offset of an upload is what its file durably holds. Within one boot of the machine that is the file's size, whatever
killed the process: the page cache outlives it, and the size is synced before it is answered. After a power cut only what
the register knows as synced counts, and the file is cut to it.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.ports import Clock
from hw_sim.agency.store.disk import free_bytes, make_dirs, write_all
from hw_sim.agency.store.register import Register, Upload
from recorder.evidence.encoding import b64u
from recorder.evidence.files import sync_dir

SYNC_BYTES = 8 << 20
CHECK_BYTES = 1 << 20
"""About so often it is looked whether there is room: a call of a microsecond."""
REJECTED_KEPT = 3
"""Attempts of one upload that did not match their digest and are kept for people to look at."""


@dataclass(frozen=True, slots=True)
class Received:
    """``offset`` durable now. ``complete``: all that was announced has come."""

    offset: int
    complete: bool


class Staging:
    """Used under the upload's seat (``holders``)."""

    def __init__(
        self, directory: Path, register: Register, clock: Clock, free: Callable[[Path], int] = free_bytes
    ) -> None:
        """``free(directory)``: bytes the disk has left."""
        self._dir = directory
        self._register = register
        self._clock = clock
        self._free = free
        self.boot_id = clock.boot_id()
        make_dirs(directory / "rejected")

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
                os.fdatasync(fd)
                self._register.upload_synced(upload.upload_id, size, self.boot_id, self.now())
            return size
        finally:
            os.close(fd)

    def receive(
        self,
        upload: Upload,
        offset: int,
        read: Callable[[memoryview], int],
        accepted: Callable[[], bool] = lambda: True,
        reserve: int = 0,
    ) -> Received:
        """Write what ``read`` gives (0: the end) from ``offset`` on; synced on return whatever happened.

        ``accepted`` is asked when there is no more: False takes all of it back, and the offset is what it was. ``reserve``
        bytes stay free on the disk, which others fill as well. Raises OSError (ENOSPC before the reserve is touched);
        what came before it is synced.
        """
        begin = offset
        path = self.part(upload.upload_id)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        buffer = memoryview(bytearray(128 * 1024))
        synced = offset
        try:
            while offset < upload.size:
                if (offset - begin) % CHECK_BYTES < len(buffer) and self.free_bytes() < reserve:
                    raise OSError(errno.ENOSPC, "only the reserve is left")
                count = read(buffer[: min(len(buffer), upload.size - offset)])
                if count == 0:
                    break
                write_all(fd, buffer[:count], offset)
                offset += count
                if offset - synced >= SYNC_BYTES:
                    synced = self._sync(fd, upload.upload_id, offset)
            if not accepted():
                os.ftruncate(fd, begin)
                offset = begin
            return Received(offset, offset == upload.size)
        finally:
            try:
                if offset != synced:
                    self._sync(fd, upload.upload_id, offset)
            finally:
                os.close(fd)

    def _sync(self, fd: int, upload_id: str, offset: int) -> int:
        os.fdatasync(fd)
        self._register.upload_synced(upload_id, offset, self.boot_id, self.now())
        return offset

    def verify(self, upload: Upload) -> bool:
        """Read the object back: digest and size as declared? Then it is locked and becomes ``.whole``."""
        whole, part = self.whole(upload.upload_id), self.part(upload.upload_id)
        path = whole if whole.exists() else part
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with open(fd, "rb", closefd=False) as file:
                digest = hashlib.file_digest(file, "sha256").digest()
            if b64u(digest) != upload.sha256 or os.fstat(fd).st_size != upload.size:
                return False
            os.fchmod(fd, 0o444)
            os.fsync(fd)
        finally:
            os.close(fd)
        if path is part:
            part.rename(whole)
            sync_dir(self._dir)
        self._register.upload_state(upload.upload_id, "whole")
        return True

    def reject(self, upload: Upload) -> None:
        """Keep the bytes apart (the last few attempts) and begin again at 0."""
        folder = self._dir / "rejected"
        whole = self.whole(upload.upload_id)
        latest = whole if whole.exists() else self.part(upload.upload_id)
        # The row first: after a crash in between, the bytes are verified and rejected once more.
        self._register.upload_synced(upload.upload_id, 0, self.boot_id, self.now())
        for number in range(REJECTED_KEPT, 0, -1):
            source = latest if number == 1 else folder / f"{upload.upload_id}.{number - 1}"
            if source.exists():
                source.rename(folder / f"{upload.upload_id}.{number}")
        sync_dir(folder)
        os.close(os.open(self.part(upload.upload_id), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        sync_dir(self._dir)

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
