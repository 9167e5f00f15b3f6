"""What the unit process knows of its configuration's files: how to read them again, and how the last attempt ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from recorder.config.load import Loaded

ReloadStatus = Literal["none", "applied", "waiting", "refused"]


@dataclass(slots=True)
class Reloading:
    """``read`` None: there is nothing to read again (simulated units). ``loaded``: what the files said when they were last
    accepted. ``sha256``: of what is in force. ``restarts``: somebody starts the unit process again when it ends itself.
    ``check``: what the files would say with this text as the pushed layer; None: nothing is taken from afar."""

    read: Callable[[], Loaded] | None = None
    check: Callable[[bytes], Loaded] | None = None
    loaded: Loaded | None = None
    sha256: str = ""
    restarts: bool = False
    status: ReloadStatus = "none"
    errors: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    """Settings accepted and not in force yet."""
    urgent: bool = False
    """What is to be taken up takes something back: a camera that is down is no reason to wait, it may be why."""
    reported: Mapping[str, Any] | None = None
    """What the unit says of configurations pushed from afar (``config.pushed.report``), None before anybody looked."""
