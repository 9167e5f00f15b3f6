"""What looks like evidence and lies where evidence does not: beside the folders of a vault, or in a link in their place.

Nobody signed for it there, whatever it holds; a verdict that passed it over in silence would be taken to cover it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from recorder.evidence.errors import CannotRead
from recorder.evidence.verify import tree
from recorder.evidence.verify.findings import Findings

FOLDERS = ("journal", "segments", "receipts", "statements", "forks")
"""Looked through by others."""
SUFFIXES = (".mp4", ".mp4.age", ".jws", ".document", ".document.age")
DEPTH = 8


def find_elsewhere(vault: Path, findings: Findings) -> None:
    """Raises CannotRead when the vault itself cannot be listed."""
    for name in tree.names(vault):
        mode = os.lstat(vault / name).st_mode
        if name in FOLDERS:
            if not stat.S_ISDIR(mode):
                what = "symlink" if stat.S_ISLNK(mode) else "no folder"
                findings.add("file-not-regular", f"file {name}", file=name, what=what)
        elif stat.S_ISDIR(mode):
            _look_through(vault / name, f"{name}/", findings)
        else:
            _judge(tree.Node(name, 0, "file"), findings, vault / name)


def _look_through(folder: Path, prefix: str, findings: Findings) -> None:
    try:
        for node in tree.walk(folder, DEPTH, prefix):
            _judge(node, findings)
    except CannotRead:
        return  # keys/ is for the unit alone, and whoever may not list a folder has not been shown a recording in it


def _judge(node: tree.Node, findings: Findings, path: Path | None = None) -> None:
    if not node.name.endswith(SUFFIXES):
        return
    size = node.size if path is None else os.lstat(path).st_size
    findings.add("file-unsigned", f"file {node.name}", file=node.name, size=size, copy_zh="", copy_en="")
