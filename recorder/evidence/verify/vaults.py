"""Finds the vaults below a folder and verifies each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recorder.evidence.age import Identity
from recorder.evidence.errors import CannotRead
from recorder.evidence.formatting import printable
from recorder.evidence.trust import Trust
from recorder.evidence.verify import tree
from recorder.evidence.verify.report import Report
from recorder.evidence.verify.vault import Vault, verify_vault

MAX_DEPTH = 4
"""A store keeps ``<root>/<unit>/<journal>/``; two levels more let a folder of stores be verified at once."""
FURTHER = 16
"""Levels below that are looked at only to say that there is something."""
MAX_VAULTS = 100_000


def find_vaults(root: Path) -> list[Vault]:
    """Every folder at most MAX_DEPTH below ``root`` with a ``journal/`` or, its journal gone, a ``segments/`` or
    ``receipts/``. Links are not followed. Raises CannotRead, also for one that lies deeper: it must not be passed over."""
    found: list[Vault] = []
    _find(root, ".", MAX_DEPTH, found)
    return found


def _find(folder: Path, name: str, depth: int, found: list[Vault]) -> None:
    if _is_vault(folder):
        if len(found) >= MAX_VAULTS:
            raise CannotRead(folder, f"超过 {MAX_VAULTS} 个证据库", f"more than {MAX_VAULTS} vaults")
        found.append(Vault(folder, printable(name)))
        return
    if depth == 0:
        _nothing_below(folder, FURTHER)
        return
    for child in tree.names(folder):
        if tree.is_folder(folder / child):
            _find(folder / child, child if name == "." else f"{name}/{child}", depth - 1, found)


def _is_vault(folder: Path) -> bool:
    return any(tree.is_folder(folder / name) for name in ("journal", "segments", "receipts"))


def _nothing_below(folder: Path, depth: int) -> None:
    for child in tree.names(folder):
        below = folder / child
        if not tree.is_folder(below):
            continue
        if _is_vault(below):
            raise CannotRead(
                below,
                f"证据库在第 {MAX_DEPTH} 层以下，请从更低的文件夹开始",
                f"a vault more than {MAX_DEPTH} levels down: begin at a folder nearer to it",
            )
        if depth > 0:
            _nothing_below(below, depth - 1)


def verify_vaults(
    root: Path,
    trust: Trust,
    identities: Sequence[Identity] = (),
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify every vault in ``root``. ``identities``: age identities of the agency; with them the sealed content is checked
    too. ``progress`` is told the bytes of each file as it is done. Raises CannotRead (exit code 2)."""
    try:
        real = root.resolve(strict=True)
    except OSError as error:
        raise CannotRead(root, f"无法读取（{error.strerror}）", f"cannot be read ({error.strerror})") from error
    if not real.is_dir():
        raise CannotRead(root, "不是文件夹", "is not a folder")
    vaults = find_vaults(real)
    if not vaults:
        raise CannotRead(
            root,
            "里面没有证据：找不到 journal/ 或 segments/",
            "holds no evidence: neither journal/ nor segments/ in it",
        )
    return Report(printable(str(root)), tuple(verify_vault(vault, trust, identities, progress) for vault in vaults))
