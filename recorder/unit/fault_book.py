"""Faults as objects from onset to end: the same condition reported again is the same fault, not another line. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

from recorder.evidence.records import Fault

_PHASES: Final[tuple[Literal["onset"], Literal["end"]]] = ("onset", "end")


@dataclass(frozen=True, slots=True)
class _Open:
    fault_id: str
    onset_us: int


class FaultBook:
    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._open: dict[tuple[str, str], _Open] = {}

    def found(self, code: str, component: str, onset_us: int, evidence: dict[str, Any]) -> tuple[Fault, Fault]:
        """A fault that is over when it is found: onset and end together."""
        fault_id = self._new_id()
        onset, end = (
            Fault(
                fault_id=fault_id,
                code=code,
                phase=phase,
                component=component,
                onset_us=onset_us,
                evidence=evidence,
            )
            for phase in _PHASES
        )
        return onset, end

    def report(
        self, code: str, component: str, present: bool, now_us: int, evidence: dict[str, Any] | None = None
    ) -> Fault | None:
        """State whether a fault is present; returns the record to write when that is news."""
        key = code, component
        known = self._open.get(key)
        if present == (known is not None):
            return None
        if known is None:
            known = self._open[key] = _Open(self._new_id(), now_us)
        else:
            del self._open[key]
        return Fault(
            fault_id=known.fault_id,
            code=code,
            phase="onset" if present else "end",
            component=component,
            onset_us=known.onset_us,
            evidence=evidence or {},
        )

    def is_open(self, code: str, component: str) -> bool:
        return (code, component) in self._open

    def of(self, component: str) -> set[str]:
        """Codes of the open faults of a component."""
        return {code for code, part in self._open if part == component}

    def end_all(self, component: str, codes: Iterable[str], now_us: int) -> list[Fault]:
        """Those of ``codes`` that are open end together, e.g. because the worker that had them was replaced."""
        ended = [self.report(code, component, False, now_us) for code in sorted(codes)]
        return [fault for fault in ended if fault is not None]

    def present(self) -> tuple[str, ...]:
        return tuple(sorted({code for code, _ in self._open}))
