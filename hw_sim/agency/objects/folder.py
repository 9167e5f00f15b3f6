"""The local WORM folder: the embedded default, laid out as ``recorder verify`` reads it.

    <root>/<unit_id>/<journal_id>/segments/<session_id>/<segment_id>.mp4.age   0444, made by link(2): never over another
                                  SHA256SUMS                                   append-only; check with ``sha256sum -c``

0444 stops accidents, not an administrator: receipts therefore say ``lock_mode: none``, or ``immutable`` where the folder's
settings ask for the immutable flag (``immutable.py`` says what that is worth). Neither is a lock a unit's policy may
demand: that is ``compliance``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw_sim.agency.objects.immutable import is_immutable, set_immutable
from hw_sim.agency.objects.ports import (
    BLOCK,
    Content,
    Lock,
    ObjectConflict,
    ObjectStoreError,
    StoredVersion,
    content_of,
)
from hw_sim.agency.store.disk import append_line, make_dirs
from recorder.evidence.encoding import unb64u
from recorder.evidence.files import sync_dir
from recorder.evidence.records import LockMode

SUMS = "SHA256SUMS"
VERSION = "1"
"""A name in a folder has one version for ever."""

_PROBE = ".immutable-probe"
_TAIL = 4096


class FolderStore:
    """An ObjectStore. ``source`` must lie on the same file system as ``root``."""

    def __init__(self, root: Path, immutable: bool = False) -> None:
        self._root = root
        self._immutable = immutable
        self._lock = threading.Lock()

    @property
    def lock_mode(self) -> LockMode:
        return "immutable" if self._immutable else "none"

    def check(self) -> None:
        """Raises ObjectStoreError when the immutable flag is asked for and cannot be set here."""
        make_dirs(self._root)
        if not self._immutable:
            return
        probe = self._root / _PROBE
        try:
            if probe.exists():
                set_immutable(probe, on=False)
            probe.touch()
            set_immutable(probe)
            set_immutable(probe, on=False)
            probe.unlink()
        except OSError as error:
            raise ObjectStoreError(
                f"{self._root}: 无法设置不可更改标志，需要 CAP_LINUX_IMMUTABLE 和 ext4/XFS/Btrfs "
                f"cannot set the immutable flag: needs CAP_LINUX_IMMUTABLE and ext4, XFS or Btrfs: {error.strerror}"
            ) from error

    def put_locked(self, key: str, source: Path, content: Content, retain_until: float) -> StoredVersion:
        """``retain_until`` is the agency's promise; a folder holds nobody to it. With the immutable flag ``source`` is
        consumed: no name of an immutable file can be removed afterwards."""
        target = self._path(key)
        make_dirs(target.parent)
        stored = StoredVersion(key, VERSION)
        try:
            os.link(source, target)
        except FileExistsError:
            self._same(source, stored, content)
        except FileNotFoundError:
            if not target.exists():
                raise
            self._same(source, stored, content)
        sync_dir(target.parent)
        self._note_digest(key, content)
        if self._immutable and not is_immutable(target):
            source.unlink(missing_ok=True)
            set_immutable(target)
        return stored

    def digest_of(self, stored: StoredVersion) -> Content:
        with self._path(stored.key).open("rb", buffering=0) as file:
            # What is read must come from the disk: the page cache would only tell what was meant to be written.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return content_of(file)

    def lock_of(self, stored: StoredVersion) -> Lock:
        path = self._path(stored.key)
        if self._immutable and is_immutable(path):
            return Lock("immutable", None)
        return Lock("none", None)

    @contextmanager
    def open(self, stored: StoredVersion) -> Iterator[Iterator[bytes]]:
        with self._path(stored.key).open("rb") as file:
            yield iter(lambda: file.read(BLOCK), b"")

    def _path(self, key: str) -> Path:
        return self._root / key

    def _same(self, source: Path, stored: StoredVersion, content: Content) -> None:
        target = self._path(stored.key)
        try:
            if source.samefile(target):
                return
        except FileNotFoundError:
            pass  # consumed by an attempt that was killed: the bytes decide
        if self.digest_of(stored) != content:
            raise ObjectConflict(f"{target}: 已有另一文件 another file has this name")

    def _note_digest(self, key: str, content: Content) -> None:
        unit_id, journal_id, relative = key.split("/", 2)
        sums = self._root / unit_id / journal_id / SUMS
        line = f"{unb64u(content.sha256).hex()}  {relative}".encode("ascii")
        with self._lock:
            # A crash between this line and the registration repeats the step: the line is then among the last.
            if not sums.exists() or line not in _tail(sums).split(b"\n"):
                append_line(sums, line)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()
