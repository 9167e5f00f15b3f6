"""What the unit process knows of its configuration's files: how to read them again, and how the last attempt ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from recorder.config.load import Loaded

ReloadStatus = Literal["none", "applied", "waiting", "refused"]


@dataclass(slots=True)
class Reloading:
    """``read`` None: there is nothing to read again (simulated units). ``loaded``: what the files said when they were last
    accepted. ``sha256``: of what is in force. ``restarts``: somebody starts the unit process again when it ends itself."""

    read: Callable[[], Loaded] | None = None
    loaded: Loaded | None = None
    sha256: str = ""
    restarts: bool = False
    status: ReloadStatus = "none"
    errors: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Settings accepted and not in force yet."""
