"""Lay out a journal's vault from the object store, so that ``recorder verify`` can read it.

What is to be there is taken from the signed receipts in the vault, not from the register: a backup of the vaults and the
object store are enough. Nothing is believed: every segment is compared with its receipt's digest on the way, and the
verifier looks again.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hw_sim.agency.objects.ports import Content, ObjectStore, ObjectStoreError, StoredVersion, content_of_blocks
from hw_sim.agency.store.disk import make_dirs
from recorder.evidence import jws
from recorder.evidence.encoding import unb64u
from recorder.evidence.files import sync_dir
from recorder.evidence.records import Receipt, StoredSegment, StoredStatement

_TAIL = re.compile(r"^(segments/[0-9a-f-]{36}/[0-9a-f-]{36}\.mp4(\.age)?|statements/[0-9a-f-]{36}\.document(\.age)?)$")
COPIED = ("journal", "receipts", "keys")
UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Fetched:
    """``objects``: segments and statements. ``failed``: key → why, in both languages."""

    objects: int
    size: int
    failed: dict[str, str]


def named_in(vault: Path) -> dict[str, StoredSegment | StoredStatement]:
    """Object key → what the receipts in this vault say of it. Raises ValueError naming the file that is no receipt."""
    found: dict[str, StoredSegment | StoredStatement] = {}
    for path in sorted((vault / "receipts").glob("*.jws")):
        try:
            receipt = Receipt.model_validate(jws.split(path.read_text(encoding="ascii").strip()).payload)
        except ValueError as error:
            raise ValueError(f"{path}: 不是回执 not a receipt: {error}") from error
        found.update((stored.object, stored) for stored in receipt.segments)
        found.update((stated.object, stated) for stated in receipt.statements)
    return found


def fetch(store: ObjectStore, vault: Path, out: Path, session_id: str | None = None) -> Fetched:
    """Fill ``out`` (repeatable: what is there with its right size is left). ``session_id``: this recording's segments only,
    with all statements.

    A segment that cannot be had, or is not what its receipt says, is not left in ``out``; the others are. Raises OSError,
    ValueError."""
    if not (vault / "journal").is_dir():
        raise ValueError(f"{vault}: 没有日志 no journal here")
    for name in COPIED:
        if (vault / name).is_dir():
            shutil.copytree(vault / name, out / name, dirs_exist_ok=True)
    sums: dict[str, str] = {}
    failed: dict[str, str] = {}
    size = 0
    for key, named in sorted(named_in(vault).items()):
        if session_id is not None and isinstance(named, StoredSegment) and named.session_id != session_id:
            continue
        relative = key.split("/", 2)[-1]
        if not _TAIL.match(relative):
            failed[key] = "键名有误 not the key of a segment or a statement"
            continue
        try:
            _one(store, StoredVersion(key, named.version), Content(named.sha256, named.size), out / relative)
        except ObjectStoreError as error:
            failed[key] = str(error)
            continue
        size += named.size
        sums[relative] = unb64u(named.sha256).hex()
    text = "".join(f"{digest}  {relative}\n" for relative, digest in sums.items())
    (out / "SHA256SUMS").write_text(text, encoding="ascii")
    return Fetched(len(sums), size, failed)


def _one(store: ObjectStore, stored: StoredVersion, content: Content, target: Path) -> None:
    if target.exists() and target.stat().st_size == content.size:
        return
    make_dirs(target.parent)
    part = target.with_name(target.name + UNFINISHED)
    try:
        with store.open(stored) as blocks, part.open("wb") as file:

            def written() -> Iterator[bytes]:
                for block in blocks:
                    file.write(block)
                    yield block

            found = content_of_blocks(written())
            file.flush()
            os.fsync(file.fileno())
        if found != content:
            raise ObjectStoreError(
                f"与回执不符 not what the receipt says: {found.size} bytes {found.sha256}, "
                f"{content.size} bytes {content.sha256}"
            )
        part.chmod(0o444)
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    sync_dir(target.parent)
