"""Which warnings of the 24 hours (art. 24) the officer has been given, from the records alone. Pure.

A ``deadline-warning`` says that it was decided to warn; only the ``prompt`` behind it says that it was heard (or felt, in
stealth mode). A power cut between the two leaves a warning nobody got, and the next start gives it again; one that was
given is not repeated by a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from recorder.evidence.base import Model, Uuid

WARNING_EVENT: Final = "deadline-warning"
PROMPT_EVENT: Final = "prompt"

WarningLevel: TypeAlias = Literal["near", "urgent", "overdue"]

DUE, OVERDUE = "store-due", "store-overdue"
_LEVELS: Final[dict[str, frozenset[WarningLevel]]] = {
    DUE: frozenset({"near", "urgent"}),
    OVERDUE: frozenset({"overdue"}),
}
"""Prompt → the levels it tells of."""

_GIVEN: Final = frozenset({"spoken", "silenced"})
"""Outcomes of a prompt that reached the officer; one that was cut, dropped or failed did not."""


class Warned(Model):
    """``level``: the highest that was decided on for the session. ``given``: the officer got it."""

    session_id: Uuid
    level: WarningLevel
    given: bool


class WarningLog:
    """The newest :data:`MOST` sessions that were warned of, oldest first; of one forgotten the officer is told again."""

    MOST: Final = 128

    def __init__(self, warned: Iterable[Warned] = ()) -> None:
        self._warned = {item.session_id: item for item in warned}

    def copy(self) -> WarningLog:
        return WarningLog(self._warned.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WarningLog) and self.carried() == other.carried()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def carried(self) -> tuple[Warned, ...]:
        return tuple(self._warned.values())

    def given(self) -> dict[str, WarningLevel]:
        """Session → level the officer was told of."""
        return {item.session_id: item.level for item in self._warned.values() if item.given}

    def event(self, p: Mapping[str, Any]) -> None:
        """An ``event`` record."""
        if p["event"] == WARNING_EVENT:
            for session_id in p["detail"]["session_ids"]:
                self._warned.pop(session_id, None)
                self._warned[session_id] = Warned(session_id=session_id, level=p["detail"]["level"], given=False)
            for session_id in list(self._warned)[: -self.MOST]:
                del self._warned[session_id]
        elif p["event"] == PROMPT_EVENT and p["detail"].get("outcome") in _GIVEN:
            levels = _LEVELS.get(p["detail"].get("id"), frozenset())
            for item in self._warned.values():
                if item.level in levels and not item.given:
                    self._warned[item.session_id] = item.model_copy(update={"given": True})

    def basis(self, sessions: Iterable[str]) -> None:
        """The hours of these sessions were suspended or begun anew: what was said of the old ones counts no more."""
        for session_id in sessions:
            self._warned.pop(session_id, None)
