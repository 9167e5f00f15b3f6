"""One journal's vault on disk, in the layout ``recorder verify`` reads:

    <root>/<unit_id>/<journal_id>/journal/<first_seq:012d>.jws
                                  receipts/<receipt_id>.jws
                                  forks/  conflicts/  keys/                    kept apart, for people
                                  segments/  SHA256SUMS                        where the object store is a folder

Segments go through ``hw_sim.agency.objects``; in another object store ``python -m hw_sim.agency.objects fetch`` brings them
back into this layout.
"""

from __future__ import annotations

from pathlib import Path

from hw_sim.agency.store.disk import make_dirs, sweep_unfinished, write_new
from recorder.evidence.encoding import sha256_b64u
from recorder.evidence.files import OsFiles, sync_dir

MOST_FORKS = 100
"""Of one journal, each of up to 4 MiB: whoever has a unit's key can sign as many histories as he likes."""


class Vault:
    """Called under its journal's lock."""

    def __init__(self, root: Path, unit_id: str, journal_id: str) -> None:
        self.unit_id = unit_id
        self.journal_id = journal_id
        self.path = root / unit_id / journal_id

    def sweep(self) -> None:
        """Remove what a kill in the middle of a write left behind. A receipt that was being filed has a name of its own,
        so nobody would ever write that name again and clear it away."""
        for name in ("keys", "forks", "receipts"):
            sweep_unfinished(self.path / name)

    def conflict(self, item_id: str, sha256: str) -> Path:
        """Where bytes are kept whose digest contradicts the journal."""
        return self.path / "conflicts" / f"{item_id}.{sha256}"

    def set_aside(self, whole: Path, item_id: str, sha256: str) -> None:
        """Keep such bytes. Repeatable."""
        target = self.conflict(item_id, sha256)
        make_dirs(target.parent)
        if whole.exists():
            whole.rename(target)
            sync_dir(target.parent)

    def fork_name(self, seq: int, line: bytes) -> str:
        """What the lines kept of a fork are called: by the first one that differs, whatever is posted around it."""
        return f"{seq:012d}-{sha256_b64u(line)[:16]}.jws"

    def has_fork(self, name: str) -> bool:
        return (self.path / "forks" / name).exists()

    def has_room_for_fork(self) -> bool:
        try:
            return len(list((self.path / "forks").iterdir())) < MOST_FORKS
        except FileNotFoundError:
            return True

    def keep_fork(self, name: str, line: bytes, body: bytes) -> None:
        """Keep posted lines that contradict the stored ones from ``line`` on. What goes on where the kept ones end takes
        their place: a unit posts more each time. Nothing else does."""
        folder = self.path / "forks"
        make_dirs(folder)
        path = folder / name
        if not path.exists():
            write_new(path, body)
            return
        _, kept = path.read_bytes().split(line, 1)
        _, posted = body.split(line, 1)
        if len(posted) > len(kept) and posted.startswith(kept):
            OsFiles().replace(path, body, 0o444)

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
