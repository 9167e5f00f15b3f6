"""The folder ``receipts/``: the uplink writes there, the unit process reads and decides. Nothing in it is trusted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recorder.evidence.files import Files

MAX_RECEIPT = 1 << 19
"""Bytes; a larger file is no receipt (one covers a few segments at about 350 bytes each)."""
_NAME = re.compile(r"^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.jws$")


@dataclass(frozen=True, slots=True)
class ReceiptFile:
    """``text`` is None when the file could not be read as one line of ASCII; ``problem`` then says why."""

    receipt_id: str
    text: str | None
    problem: str = ""


def read_receipts(files: Files, folder: Path, skip: Callable[[str], bool]) -> Iterator[ReceiptFile]:
    """Every ``<receipt_id>.jws`` whose id is not skipped, by name. Other names (a file being written) are left alone."""
    for name in files.names(folder):
        match = _NAME.match(name)
        if match is None or skip(match[1]):
            continue
        yield _read(files, folder / name, match[1])


def _read(files: Files, path: Path, receipt_id: str) -> ReceiptFile:
    try:
        size = files.size(path)
        if size is None or size > MAX_RECEIPT:
            return ReceiptFile(receipt_id, None, f"{path.name}: 大小不符 size {size}")
        text = files.read(path).decode("ascii").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        return ReceiptFile(receipt_id, None, f"{path.name}: 无法读取 cannot be read: {error}")
    return ReceiptFile(receipt_id, text)
