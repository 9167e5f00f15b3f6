"""Duties: what the unit process does beside recording, each in a room of its own.

The loop (``process``) knows none of them by name. A duty sees every record in the order it was written, every event, and
time; it answers control commands and gestures of its own. It decides nothing itself: its decisions are a pure machine's,
and what it does to the outside goes through :class:`UnitServices`. All calls come from the main thread.

A duty that raises is a fault and never the end of a recording (promise 1): see ``UnitProcess``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeAlias

from recorder.config.models import RecorderConfig
from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Record
from recorder.evidence.state import JournalState
from recorder.session import effects as fx
from recorder.session import events as ev
from recorder.unit.events import UnitEvent
from recorder.unit.parts import Parts

Answer: TypeAlias = dict[str, Any]
Command: TypeAlias = Callable[[dict[str, Any]], Answer]
"""A control command: the request as JSON gives it → ``{"ok": True, …}`` or a ``control_socket.refusal``."""


class UnitServices(Protocol):
    """What a duty may ask of the unit process."""

    p: Parts

    def now_us(self) -> int:
        """CLOCK_BOOTTIME, µs."""

    def wall_us(self) -> int:
        """The wall clock's claim, µs since 1970."""

    def write(self, record: Record) -> None:
        """Into the journal, at the next commit."""

    def after_commit(self, act: Callable[[], None]) -> None:
        """Once everything written so far is durable."""

    def decide(self, event: ev.Event) -> list[fx.Effect]:
        """Let the session machine decide; its effects are carried out before this returns."""

    def start_request(self, trigger: ev.StartTrigger) -> ev.StartRequested: ...

    def fault(self, code: str, component: str, present: bool, evidence: dict[str, Any]) -> None:
        """State whether a fault is present, as often as you like; only onset and end are recorded."""

    def found(self, finding: Finding) -> None:
        """Something is wrong with the evidence on the disk."""

    def say(self, prompt_id: str, **values: object) -> None:
        """Have a prompt of the catalogue spoken (``config/prompts``); never blocks, never raises."""

    def set_voice(self, voice: Callable[..., None]) -> None:
        """For the duty that speaks: ``voice(prompt_id, **values)`` carries out :meth:`say`."""

    def send_overlay(self) -> None:
        """Tell every worker the watermark's new text."""

    def order(self, kind: str, message: dict[str, Any]) -> Answer:
        """Have another duty carry out what the agency ordered (:meth:`Duty.orders`). Raises KeyError for a kind no duty
        knows, and what the duty raises."""

    def announce(self, config: RecorderConfig) -> None:
        """Tell every worker what of ``config`` holds from its next segment on."""

    def reconfigure(self, config: RecorderConfig, *, restart_workers: bool) -> None:
        """``config`` is in force from here on. ``restart_workers``: only while nothing is recorded."""

    def restart(self) -> None:
        """End this process in order, shift and officers as they are; whoever supervises it starts a new one."""


class Duty:
    """Base: a duty that does nothing. Override what it needs."""

    name: ClassVar[str] = "duty"
    read_only: ClassVar[frozenset[str]] = frozenset()
    """Commands that change nothing and leave no ``command`` record."""

    own_record: ClassVar[frozenset[str]] = frozenset()
    """Commands whose ``command`` record the duty writes itself, because they come from elsewhere than the socket."""

    for_uplink: ClassVar[frozenset[str]] = frozenset()
    """Commands that change something and that the uplink may give, too: each is believed for its signature alone."""

    def __init__(self, services: UnitServices) -> None:
        self._unit = services

    def commands(self) -> Mapping[str, Command]:
        """Control commands this duty answers."""
        return {}

    def orders(self) -> Mapping[str, Command]:
        """What the agency may command of this duty, by the kind of command (``evidence.commands``). Nothing that comes over
        the control socket gets here but through the command desk, which has verified it."""
        return {}

    def started(self, before: JournalState) -> None:
        """Once, before the session machine takes up what the journal says. ``before``: the state at the journal's end,
        recovery included."""

    def observe(self, record: Record) -> None:
        """Every record, in the order of the journal; it becomes durable with the next commit."""

    def handle(self, event: UnitEvent) -> None:
        """Every event, after the loop has acted on it."""

    def gesture(self, name: str) -> bool:
        """A gesture's command (``start``, ``stop``, ``mark``, …), before the loop acts on it. True: it was meant for this
        duty, nobody else acts."""
        return False

    def tick(self, now_us: int) -> None:
        """Each turn of the loop, about every 50 ms."""

    def poll(self, now_us: int, wall_us: int) -> None:
        """Each 0.2 s: what has to be looked at rather than waited for."""

    def reconfigured(self, before: RecorderConfig) -> None:
        """A new configuration is in force (``p.config``). Only what ``config.changes`` lets take effect under way differs
        from ``before``."""

    def close(self) -> None:
        """The unit process ends."""


DutyFactory: TypeAlias = Callable[[UnitServices], Duty]

CALLS: Final = ("started", "observe", "handle", "gesture", "tick", "poll", "reconfigured", "close")
"""What the loop calls of every duty, some of it twenty times a second."""


def overrides(duty: Duty, call: str) -> bool:
    """Whether the duty has one of :data:`CALLS` of its own. Most do nothing at most of them and need not be called."""
    return getattr(getattr(duty, call), "__func__", None) is not getattr(Duty, call)
