"""Looking at the data disk of a machine that is off: a copy is checked, its journal replayed, its files taken out.

The disk itself is not touched: what the next boot finds is what the cut left.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hw_sim.runner import journal_view
from hw_sim.virtual_pi.commands import output, run
from hw_sim.virtual_pi.errors import VirtualPiError
from recorder.evidence.encoding import b64u

EVIDENCE = ("journal", "segments", "receipts")


@dataclass(frozen=True, slots=True)
class Card:
    """A disk as it was found. ``files``: its evidence, taken out."""

    needed_recovery: bool
    file_system: Literal["clean", "errors"]
    files: Path
    fsck: str


def look(disk: Path, work: Path) -> Card:
    """Copy ``disk``, let e2fsck replay the copy's journal, check all of it again. Raises VirtualPiError.

    ``needed_recovery``: ext4's flag that its journal held something at the cut. ``clean``: after the replay a full check
    (``e2fsck -f -n``) finds nothing to mend, and the replay itself mended nothing but what a replay may (exit 0 or 1)."""
    work.mkdir(parents=True, exist_ok=True)
    copy, log = work / "card.ext4", work / "card.log"
    run(["cp", "--sparse=always", disk, copy], log)
    header = output(["dumpe2fs", "-h", copy])
    needed = re.search(r"^Filesystem features:.*\bneeds_recovery\b", header, re.MULTILINE) is not None
    replay = _fsck("-p", copy)
    check = _fsck("-f", "-n", copy)
    clean = replay.returncode in (0, 1) and check.returncode == 0
    files = work / "files"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir()
    for name in EVIDENCE:
        run(["debugfs", "-R", f"rdump /{name} {files}", copy], log)
    copy.unlink()
    return Card(needed, "clean" if clean else "errors", files, replay.stdout + check.stdout)


def altered(files: Path) -> list[str]:
    """Finished segments whose file is not, or no longer, what was signed; a released one has no file to be wrong."""
    view = journal_view.view(files / "journal")
    wrong = []
    for segment in view.segments.values():
        if segment.state not in ("closed", "recovered") or segment.segment_id in view.released or not segment.sha256:
            continue
        found = sorted((files / "segments").glob(f"*/{segment.segment_id}.*"))
        found = [path for path in found if path.name.endswith((".mp4", ".mp4.age"))]
        if len(found) != 1 or _sha256(found[0]) != segment.sha256:
            wrong.append(segment.segment_id)
    return wrong


def unnamed(files: Path) -> list[str]:
    """Segment files that no record names: at most the one whose ``segment-open`` was not durable yet. Recovery names it."""
    view = journal_view.view(files / "journal")
    known = view.segments.keys() | view.orphans.keys()
    present = {path.name.split(".")[0] for path in (files / "segments").glob("*/*.mp4*")}
    return sorted(present - known)


def holds(verdict: str, altered_files: Sequence[str], unnamed_files: Sequence[str]) -> bool:
    """Is a disk, as a cut left it and before any recovery, what was promised? Nothing altered or missing, and unsigned at
    most one file that had only just begun."""
    just_begun = verdict == "unsigned" and len(unnamed_files) == 1
    return not altered_files and (verdict in ("intact", "incomplete") or just_begun)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return b64u(hashlib.file_digest(file, "sha256").digest())


def _fsck(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["e2fsck", *map(str, arguments)], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise VirtualPiError("e2fsck: 未安装 not installed (apt install e2fsprogs)") from error
