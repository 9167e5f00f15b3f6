"""What the unit remembers of the agency's commands, so that each has its effect once. Pure; rebuilt from the journal.

The journal's ``command`` records are the truth. An ``accepted`` one stands *before* anything the command causes: after it
the command is never begun again, whatever is lost behind it. A second one of the same id says what it came to.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal, TypeAlias

from recorder.evidence.base import Count, Model, Uuid
from recorder.evidence.command_texts import UNKNOWN_END, Outcome, refusal_outcome

CommandResult: TypeAlias = Literal["accepted", "refused", "done", "failed"]
SOURCE: Final = "mqtt"


class KnownCommand(Model):
    """``result`` ``accepted`` and nothing after it: it was begun, and its end was never written. ``seq``: of its newest
    record, None while that is not in the journal."""

    command_id: Uuid
    kind: str
    iat: float
    result: CommandResult
    code: str
    seq: Count | None

    @property
    def outcome(self) -> Outcome:
        return "done" if self.result == "done" else refusal_outcome(self.final_code)

    @property
    def final_code(self) -> str:
        return UNKNOWN_END if self.result == "accepted" else self.code


@dataclass(slots=True)
class CommandBook:
    """``commands``: the newest :data:`MOST` by id, oldest first. ``floor``: the newest ``iat`` of those forgotten; nothing
    as old is taken any more, so that what was forgotten cannot be replayed, whatever the clock says."""

    MOST: ClassVar[int] = 64

    commands: dict[str, KnownCommand] = field(default_factory=dict)
    floor: float = -math.inf

    @classmethod
    def of(cls, commands: Iterable[KnownCommand], floor: float | None) -> CommandBook:
        """As a checkpoint carried it."""
        return cls({command.command_id: command for command in commands}, -math.inf if floor is None else floor)

    def copy(self) -> CommandBook:
        return CommandBook(dict(self.commands), self.floor)

    def known(self, command_id: str) -> KnownCommand | None:
        return self.commands.get(command_id)

    @property
    def carried(self) -> tuple[KnownCommand, ...]:
        return tuple(self.commands.values())

    @property
    def carried_floor(self) -> float | None:
        """For JSON, which knows no infinity."""
        return None if math.isinf(self.floor) else self.floor

    def apply(self, payload: Mapping[str, Any]) -> None:
        """A ``command`` record. Raises KeyError, TypeError for a payload that is none."""
        if payload["source"] != SOURCE:
            return
        command_id, seq = payload["command_id"], payload.get("seq")
        order: Any = payload.get("order")
        before = self.commands.get(command_id)
        if before is None and order is None:
            return  # of one that was not believed, or a signed assignment
        if before is not None and before.kind != payload["name"]:
            return  # the agency gave an assignment the id of a command
        self.commands[command_id] = KnownCommand(
            command_id=command_id,
            kind=payload["name"],
            iat=order["iat"] if before is None else before.iat,
            result=payload["result"],
            code=payload["detail"],
            seq=seq,
        )
        while len(self.commands) > self.MOST:
            oldest = self.commands.pop(next(iter(self.commands)))
            self.floor = max(self.floor, oldest.iat)
