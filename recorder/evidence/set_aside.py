"""Moving a torn tail out of the way without ever having it in one place only."""

from __future__ import annotations

from pathlib import Path

from recorder.evidence.files import Files

_BLOCK = 1 << 20


def set_aside(files: Files, source: Path, offset: int, target: Path) -> None:
    """Copy ``source`` from ``offset`` on into ``target`` and sync it. The caller cuts ``source`` afterwards.

    A ``target`` that exists comes from an attempt that did not get to the cut, for ``source`` still has the bytes: it is
    made anew. Memory is bounded whatever the tail's size. Raises OSError.
    """
    files.make_dir(target.parent)
    if files.size(target) is not None:
        files.remove(target)
    out = files.create(target)
    try:
        while block := files.read_at(source, offset, _BLOCK):
            out.write(block)
            offset += len(block)
        out.sync()
    finally:
        out.close()
