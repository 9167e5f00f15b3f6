"""Commands under way and their answers. Pure: when to send which (again), which answer belongs to which, what is left.

A command is repeated until its unit answers: at the broker, on the way and in the uplink it is in memory only. The unit
does it once, however often it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias, get_args

from recorder.evidence.command_texts import Outcome
from recorder.fleet.signing import SignedCommand

FIRST_PAUSE_US: Final = 4_000_000
LONGEST_PAUSE_US: Final = 60_000_000

Result: TypeAlias = Outcome | Literal["no-answer"]
_OUTCOMES: Final[frozenset[str]] = frozenset(get_args(Outcome))


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one command. ``seq``: of the unit's record of it, None where it has none."""

    command: SignedCommand
    result: Result
    code: str
    zh: str
    en: str
    seq: int | None


@dataclass(slots=True)
class _Pending:
    command: SignedCommand
    due_us: int
    pause_us: int = FIRST_PAUSE_US


class Exchange:
    """One thread. ``start_us``: boot-time at which all of them are due first."""

    def __init__(self, commands: Iterable[SignedCommand], start_us: int) -> None:
        self._commands = tuple(commands)
        self._pending = {command.command_id: _Pending(command, start_us) for command in self._commands}
        self._reports: dict[str, Report] = {}

    @property
    def complete(self) -> bool:
        return not self._pending

    def due(self, now_us: int, wall_s: float) -> list[SignedCommand]:
        """Those to be sent now; none after its term. Each waits twice as long as before until it is sent again."""
        sent = []
        for item in self._pending.values():
            if now_us < item.due_us:
                continue
            item.due_us, item.pause_us = now_us + item.pause_us, min(2 * item.pause_us, LONGEST_PAUSE_US)
            if wall_s < item.command.exp:
                sent.append(item.command)
        return sent

    def connected_again(self, now_us: int) -> None:
        """What was sent over the last connection may be lost: all of it is due."""
        for item in self._pending.values():
            item.due_us = now_us

    def next_us(self) -> int | None:
        """When something is due next."""
        return min((item.due_us for item in self._pending.values()), default=None)

    def answered(self, unit_id: str, body: dict[str, Any]) -> Report | None:
        """An up/resp of ``unit_id`` (the broker vouches for whose it is). None for one that answers nothing of ours."""
        command_id, result = body.get("in_reply_to"), body.get("result")
        item = self._pending.get(command_id) if isinstance(command_id, str) else None
        if item is None or item.command.unit_id != unit_id or result not in _OUTCOMES:
            return None
        del self._pending[item.command.command_id]
        code, zh, en = (str(body.get(name, ""))[:200] for name in ("code", "zh", "en"))
        seq = body.get("seq")
        outcome: Any = result
        report = Report(item.command, outcome, code, zh, en, seq if type(seq) is int else None)
        self._reports[item.command.command_id] = report
        return report

    def reports(self) -> tuple[Report, ...]:
        """In the order of the commands, those without an answer too."""
        return tuple(self._reports.get(command.command_id) or _unanswered(command) for command in self._commands)


def of_unknown_unit(report: Report) -> Report:
    """``report``, without an answer, of a unit the store has never heard of: most likely there is none of that name."""
    zh = "没有应答；存储从未收到该设备的消息，请核对编号。若确有此设备，到期之前仍可能执行"
    en = (
        "no answer, and the store has never heard of this unit: is that its id? "
        "If there is such a unit, it may still carry it out until it expires"
    )
    return replace(report, code="unknown-unit", zh=zh, en=en)


def _unanswered(command: SignedCommand) -> Report:
    zh, en = "没有应答；到期之前仍可能执行", "no answer; it may still be carried out until it expires"
    return Report(command, "no-answer", "no-answer", zh, en, None)
