"""Where the two processes of an update keep and hand over what.

``<data_dir>/update/`` belongs to the carrier, the process that faces the network; ``order.json`` there asks the installer.
The installer's folder is root's: the carrier reads ``state.json`` there and can write nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec

from recorder.evidence.files import Files
from recorder.update import versions

CARRIAGE: Final = "carriage.json"
ORDER: Final = "order.json"
MANIFEST: Final = "update.jws"
"""Also the name of the manifest's artefact on the server."""
ARTEFACT: Final = "artefact"
STATE: Final = "state.json"
UNFINISHED: Final = "unfinished"
"""There while an installation is not at rest: systemd starts the installer again, also after a power cut."""
KEPT: Final = "kept"
"""Packages that were committed, ``<version>.deb``: the way back."""

_VERSION: Final = re.compile(versions.FORM)

T = TypeVar("T")


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All the carrier may say to the installer; the rest is in the signed manifest. ``id``: ``Carriage.order_id``."""

    id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}[.][0-9]{1,9}$")]


def load(files: Files, path: Path, kind: type[T], otherwise: T) -> T:
    """``otherwise`` where there is no such file. Raises ValueError for one that is damaged, OSError."""
    try:
        data = files.read(path)
    except FileNotFoundError:
        return otherwise
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error


def save(files: Files, path: Path, document: msgspec.Struct) -> None:
    """In one step. Raises OSError."""
    files.replace(path, msgspec.json.encode(document))


def kept(folder: Path, version: str) -> Path:
    """``version`` may be the word of a process without rights, and what lies there is installed by root: nothing of it can
    lead out of the folder. Raises ValueError."""
    if not _VERSION.fullmatch(version) or len(version) > versions.MAX:
        raise ValueError(f"不是版本 no version: {version[:64]!r}")
    return folder / KEPT / f"{version}.deb"


def has_kept(folder: Path, version: str) -> bool:
    """Whether ``version`` can be put back; no version, no."""
    try:
        return kept(folder, version).is_file()
    except ValueError:
        return False
