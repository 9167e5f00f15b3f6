"""The object store as the ingest service sees it: put once, locked; read back; never deleted from here.

There is no ``delete``: nothing in this code base may remove a segment. No engine's checksum and no conditional put is
believed (docs/object-stores.md has what each engine does instead): whether a segment is stored already is in our register,
whether it is the right one is found by reading it back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from recorder.evidence.encoding import b64u
from recorder.evidence.records import LockMode
from recorder.evidence.statement_files import file_name

BLOCK = 256 * 1024


class ObjectStoreError(Exception):
    """Not now, or not here: the store cannot be reached, is full, refuses us, does not answer as it should. The segment
    stays staged and is tried again."""


class ObjectConflict(ObjectStoreError):
    """The name is taken by other bytes. Nobody but a hand on the store, or a second unit key, can bring this about."""


class ObjectDamaged(ObjectStoreError):
    """What is read back is not what was put."""


class LockMissing(ObjectStoreError):
    """The object is stored, but not locked as the store promises, or not for long enough."""


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """``key``: path of the object, ``/`` between parts; ``version``: what tells it from other objects of that name."""

    key: str
    version: str


@dataclass(frozen=True, slots=True)
class Content:
    """``sha256`` in base64url, as everywhere in the journal."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Lock:
    """As read back. ``retain_until``: seconds since 1970; None where the store keeps no date."""

    mode: LockMode
    retain_until: float | None


class ObjectStore(Protocol):
    """Thread-safe. Every method raises ObjectStoreError or one of its kinds, and OSError from a local disk."""

    @property
    def lock_mode(self) -> LockMode:
        """What this store promises of every object in it; ``lock_of`` tells whether it holds."""

    def put_locked(self, key: str, source: Path, content: Content, retain_until: float) -> StoredVersion:
        """Store the bytes of the file ``source`` under ``key``, locked until ``retain_until`` at least, durable on return.

        Only where there is nothing yet: the same bytes again give the version that is there, with its lock extended where
        it is shorter; other bytes are ObjectConflict. Repeatable after a crash at any point; a driver may consume
        ``source``. What is stored is still to be read back: ``digest_of`` and ``lock_of``."""

    def digest_of(self, stored: StoredVersion) -> Content:
        """Digest and size of exactly this version, of bytes read from the store."""

    def lock_of(self, stored: StoredVersion) -> Lock:
        """The lock of exactly this version, read from the store."""

    def open(self, stored: StoredVersion) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes, in blocks."""


def content_of(file: BinaryIO) -> Content:
    """Digest and size of what can be read from here to the end, in constant memory."""
    return content_of_blocks(iter(lambda: file.read(BLOCK), b""))


def content_of_blocks(blocks: Iterator[bytes]) -> Content:
    digest, size = hashlib.sha256(), 0
    for block in blocks:
        digest.update(block)
        size += len(block)
    return Content(b64u(digest.digest()), size)


def statement_key(unit_id: str, journal_id: str, statement_id: str, sealed: bool) -> str:
    """Where the document of a written statement lies (docs/formats.md §1)."""
    return f"{unit_id}/{journal_id}/{file_name(statement_id, sealed)}"


def segment_key(unit_id: str, journal_id: str, session_id: str, segment_id: str, suffix: str) -> str:
    """Where a segment lies in every store; below ``<unit>/<journal>`` it is the layout ``recorder verify`` reads."""
    return f"{unit_id}/{journal_id}/segments/{session_id}/{segment_id}{suffix}"
