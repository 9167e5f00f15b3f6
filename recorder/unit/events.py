"""Everything that can happen to the unit process, as values in one queue. Devices, sockets and threads only enqueue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from firmware_bridge.ports import GnssFix
from recorder.channel.messages import FromWorker
from recorder.evidence.journal_loader import Finding


@dataclass(frozen=True, slots=True)
class ButtonEdge:
    button: str
    pressed: bool
    at_us: int


@dataclass(frozen=True, slots=True)
class FixReceived:
    fix: GnssFix


@dataclass(frozen=True, slots=True)
class IgnitionChanged:
    """The vehicle's ignition settled; at the start, the level it had."""

    on: bool
    since_us: int


@dataclass(frozen=True, slots=True)
class WorkerConnected:
    """A worker said hello."""

    camera_id: str
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerMessage:
    camera_id: str
    message: FromWorker


@dataclass(frozen=True, slots=True)
class WorkerDisconnected:
    """The socket closed or spoke nonsense; ``detail`` says which."""

    camera_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """``status``: exit code, negative for a signal, None when nobody knows. ``pid``: 0 for one that never began."""

    camera_id: str
    pid: int
    status: int | None


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """A request from the control socket; ``reply`` is called exactly once, from the main thread. ``peer_uid``: who
    asks; None: this process itself."""

    message: dict[str, Any]
    reply: Callable[[dict[str, Any]], None]
    peer_uid: int | None = None


@dataclass(frozen=True, slots=True)
class JournalAltered:
    """The background verification found the old part of the journal to be other than this unit wrote it."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """SIGHUP: the configuration's files have changed."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """SIGTERM or SIGINT: the unit is switched off in order."""


UnitEvent: TypeAlias = (
    ButtonEdge
    | FixReceived
    | IgnitionChanged
    | WorkerConnected
    | WorkerMessage
    | WorkerDisconnected
    | WorkerExited
    | ControlRequest
    | JournalAltered
    | ReloadRequested
    | Shutdown
)
