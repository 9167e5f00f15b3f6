"""One segment file: plain entries in, sealed and durable entries out. Write, ``fdatasync``, report: in this order.

Any OSError leaves the file as it is, for ever: after a failed ``fdatasync`` nobody knows what the disk holds, and a
sealed file cannot be continued anyway. What was durable before it stays signed and whole.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from recorder.capture.boxes import FREE_LAST
from recorder.evidence.encoding import b64u
from recorder.evidence.files import Files
from recorder.units import MB

_ROOM_TO_BEGIN: Final = 4 << 20
"""Bytes. Without room for some seconds no segment is begun: a full disk would be littered with files of one entry."""


class Sealer(Protocol):
    """Push-style age writer of one file (``recorder.evidence.age.AgeEncryptor``)."""

    @property
    def header(self) -> bytes:
        """Bytes that stand before the first chunk."""

    def seal(self, plain: bytes | memoryview) -> bytes:
        """Ciphertext of one or more whole 64 KiB chunks."""

    def finish(self, plain: bytes) -> bytes:
        """Ciphertext of the final chunk."""


Timed = Callable[[Callable[[], None]], None]
"""Does something and takes the time."""

SealerFactory = Callable[[Sequence[str]], Sealer]


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """A durable entry ``[offset, offset + length)`` of the stored file; digests are base64url SHA-256."""

    entry: int
    offset: int
    length: int
    sha256_stored: str
    sha256_plain: str


@dataclass(frozen=True, slots=True)
class Totals:
    entries: int
    size: int
    sha256: str
    plaintext_size: int
    plaintext_sha256: str


class SegmentFile:
    """Creates ``path`` at once (raises OSError). ``sealer`` None: stored bytes are the plain bytes. ``reserve_bytes`` of
    the file system stay free for the journal: media is refused with ENOSPC before it would take them. ``timed``: a
    stopwatch around what waits for the disk."""

    def __init__(self, files: Files, path: Path, sealer: Sealer | None, reserve_bytes: int, timed: Timed) -> None:
        self._files = files
        self.path = path
        self._sealer = sealer
        self._reserve = reserve_bytes
        self._timed = timed
        self._entries = 0
        self._size = 0
        self._plain_size = 0
        self._stored_digest = hashlib.sha256()
        self._plain_digest = hashlib.sha256()
        files.make_dir(path.parent)
        self._keep_reserve(_ROOM_TO_BEGIN)
        self._file = files.create(path)
        self._closed = False

    @property
    def durable_bytes(self) -> int:
        return self._size

    def append(self, plain: bytes) -> WrittenEntry:
        """Seal, write and sync one entry (whole 64 KiB chunks). The age header goes out with the first."""
        if self._sealer is None:
            return self._write(plain, plain)
        stored = self._sealer.seal(plain)
        return self._write(plain, self._sealer.header + stored if self._entries == 0 else stored)

    def finish(self) -> tuple[WrittenEntry, Totals]:
        """Write the last entry (an 8-byte ``free`` box, age's final chunk) and close."""
        stored = FREE_LAST if self._sealer is None else self._sealer.finish(FREE_LAST)
        last = self._write(FREE_LAST, stored)
        self._close()
        return last, Totals(
            self._entries,
            self._size,
            b64u(self._stored_digest.digest()),
            self._plain_size,
            b64u(self._plain_digest.digest()),
        )

    def abandon(self) -> OSError | None:
        """Close without writing another byte; returns what closing had to say."""
        try:
            self._close()
        except OSError as error:
            return error
        return None

    def _close(self) -> None:
        # Once only: close(2) frees the descriptor even when it fails, and another thread may own its number by now.
        if not self._closed:
            self._closed = True
            self._file.close()

    def _write(self, plain: bytes, stored: bytes) -> WrittenEntry:
        self._keep_reserve(len(stored))
        self._timed(lambda: self._to_disk(stored))
        plain_sha = hashlib.sha256(plain).digest()
        self._plain_digest.update(plain)
        if self._sealer is None:
            stored_sha = plain_sha
            self._stored_digest = self._plain_digest
        else:
            stored_sha = hashlib.sha256(stored).digest()
            self._stored_digest.update(stored)
        written = WrittenEntry(self._entries, self._size, len(stored), b64u(stored_sha), b64u(plain_sha))
        self._entries += 1
        self._size += len(stored)
        self._plain_size += len(plain)
        return written

    def _to_disk(self, stored: bytes) -> None:
        self._file.write(stored)
        self._file.sync()

    def _keep_reserve(self, size: int) -> None:
        if self._files.free_bytes(self.path.parent) - size < self._reserve:
            message = f"{os.strerror(errno.ENOSPC)}: the last {self._reserve // MB} MB belong to the journal 须留给日志"
            raise OSError(errno.ENOSPC, message, str(self.path))
