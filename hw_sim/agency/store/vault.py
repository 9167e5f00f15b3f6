"""One journal's vault on disk, in the layout ``recorder verify`` reads:

    <root>/<unit_id>/<journal_id>/journal/<first_seq:012d>.jws
                                  segments/<session_id>/<segment_id>.mp4.age   0444, made by link(2): never over another
                                  receipts/<receipt_id>.jws
                                  forks/  conflicts/  keys/                    kept apart, for people
                                  SHA256SUMS                                   append-only; check with ``sha256sum -c``

0444 stops accidents, not an administrator: receipts therefore say ``lock_mode: none``. A store with a real lock (S3 Object
Lock, COMPLIANCE) says otherwise behind the same receipts.
"""

from __future__ import annotations

import os
from pathlib import Path

from hw_sim.agency.store.disk import append_line, make_dirs, sweep_unfinished, write_new
from hw_sim.agency.store.register import Named
from recorder.evidence.encoding import sha256_b64u, unb64u
from recorder.evidence.files import sync_dir

SUMS = "SHA256SUMS"
_TAIL = 4096


class ObjectConflict(Exception):
    """Another object has this name already."""


class Vault:
    """Called under its journal's lock."""

    def __init__(self, root: Path, unit_id: str, journal_id: str) -> None:
        self.unit_id = unit_id
        self.journal_id = journal_id
        self._root = root
        self.path = root / unit_id / journal_id

    def sweep(self) -> None:
        """Remove what a kill in the middle of a write left behind. A receipt that was being filed has a name of its own,
        so nobody would ever write that name again and clear it away."""
        for name in ("keys", "forks", "receipts"):
            sweep_unfinished(self.path / name)

    def place(self, whole: Path, named: Named) -> str:
        """Give verified bytes their final name; the staged name stays until they are registered. The path from the root.

        Repeatable after a crash at any point. Raises ObjectConflict, OSError.
        """
        relative = f"segments/{named.session_id}/{named.segment_id}{named.suffix}"
        target = self.path / relative
        make_dirs(target.parent)
        try:
            os.link(whole, target)
        except FileExistsError as error:
            if not whole.samefile(target):
                raise ObjectConflict(str(target)) from error
        sync_dir(target.parent)
        self._note_digest(unb64u(named.sha256).hex(), relative)
        return str(target.relative_to(self._root))

    def _note_digest(self, digest: str, relative: str) -> None:
        line = f"{digest}  {relative}".encode("ascii")
        sums = self.path / SUMS
        # A crash between this line and the registration repeats the step: the line is then among the last.
        if sums.exists() and line in _tail(sums).split(b"\n"):
            return
        append_line(sums, line)

    def set_aside(self, whole: Path, segment_id: str, sha256: str) -> None:
        """Keep bytes whose digest contradicts the journal. Repeatable."""
        folder = self.path / "conflicts"
        make_dirs(folder)
        target = folder / f"{segment_id}.{sha256}"
        if whole.exists():
            whole.rename(target)
            sync_dir(folder)

    def keep_fork(self, seq: int, body: bytes) -> str:
        """Keep posted lines that contradict the stored ones; the same lines once. Returns the file's name."""
        folder = self.path / "forks"
        make_dirs(folder)
        path = folder / f"{seq:012d}-{sha256_b64u(body)[:16]}.jws"
        if not path.exists():
            write_new(path, body)
        return path.name

    def file_receipt(self, receipt_id: str, jws: str) -> None:
        folder = self.path / "receipts"
        make_dirs(folder)
        path = folder / f"{receipt_id}.jws"
        if not path.exists():
            write_new(path, jws.encode("ascii") + b"\n")

    def drop_receipt_file(self, receipt_id: str) -> None:
        """Remove the file of a heads-only receipt that a newer one supersedes; the register keeps it for ever."""
        (self.path / "receipts" / f"{receipt_id}.jws").unlink(missing_ok=True)

    def receipt_files(self) -> set[str]:
        try:
            return {path.stem for path in (self.path / "receipts").iterdir() if not path.name.startswith(".")}
        except FileNotFoundError:
            return set()


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        return file.read()
