"""What an action of a scenario acts upon, and how it may take its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from hw_sim.agency.agency import Agency
from hw_sim.awaited import Awaited
from hw_sim.runner import journal_view
from hw_sim.runner.unit_processes import UnitProcesses
from hw_sim.world import World

if TYPE_CHECKING:
    from hw_sim.runner.run import ScenarioRun


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Until:
    """Until the condition holds; ``what`` is said and noted when it does not within ``timeout_s``."""

    condition: Callable[[], bool]
    timeout_s: float
    what: str


Taking: TypeAlias = Iterator[Pause | Until]
"""An action that takes its time: the script goes on when it has ended, and its times count from then on."""


@dataclass(slots=True)
class Stage:
    """``later``: call something so many seconds from now, whatever the script does meanwhile."""

    run: ScenarioRun
    world: World
    unit: UnitProcesses
    agency: Agency
    now_s: Callable[[], float]
    later: Callable[[float, Callable[[], None]], None]
    seen_seq: int = field(default=-1)
    """Up to this record the script has waited; what is awaited next comes behind it."""

    def journal(self) -> journal_view.JournalView:
        return journal_view.view(self.run.layout.unit / "journal")

    def until(self, awaited: Awaited, timeout_s: float) -> Until:
        what = f"{awaited.kind} {awaited.what}".rstrip()
        return Until(lambda: self._has_come(awaited), timeout_s, what)

    def _has_come(self, awaited: Awaited) -> bool:
        view = self.journal()
        if awaited.kind == "receipted":
            return bool(view.uploadable) and view.uploadable <= view.receipted
        seq = view.happened.when(awaited, self.seen_seq)
        if seq is None:
            return False
        self.seen_seq = seq
        return True

    def press(self, button: str, hold_s: float) -> None:
        self.world.set(f"button.{button}", True)
        self.later(hold_s, lambda: self.world.set(f"button.{button}", False))
