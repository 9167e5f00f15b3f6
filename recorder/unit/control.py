"""What the control socket's commands do: each belongs to a duty. Decided on the main thread; every command that changes
something is recorded.

root and the unit's own user may give every command. Whoever else can connect is the uplink, the one process that faces the
network: it may ask, and hand over what is signed. Were it taken over, it could still not end a recording, nor fill the
journal with what it was refused: the first few of those are facts, the rest is in the log."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from recorder.evidence.records import Command as CommandRecord
from recorder.evidence.records import CommandSource
from recorder.unit.assignments import REFUSALS_RECORDED
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices

log = logging.getLogger("recorder.unit")

MAX_NAME = 64
ROOT = 0


def orders_of(duties: Sequence[Duty]) -> dict[str, Command]:
    """What the agency may command, of whichever duty. Raises ValueError when two claim the same kind."""
    orders: dict[str, Command] = {}
    for duty in duties:
        for kind, order in duty.orders().items():
            if kind in orders:
                raise ValueError(f"{kind}: claimed by two duties")
            orders[kind] = order
    return orders


class ControlCommands:
    """``own_uid``: the unit process's user, this process's by default. Raises ValueError when two duties claim the same
    command."""

    def __init__(self, services: UnitServices, duties: Sequence[Duty], own_uid: int | None = None) -> None:
        self._unit = services
        self._trusted = {None, ROOT, os.getuid() if own_uid is None else own_uid}
        self._commands: dict[str, Command] = {}
        self._read_only: set[str] = set()
        self._own_record: set[str] = set()
        self._for_uplink: set[str] = set()
        self._not_permitted = 0
        for duty in duties:
            for name, command in duty.commands().items():
                if name in self._commands:
                    raise ValueError(f"{name}: claimed by two duties")
                self._commands[name] = command
            self._read_only |= duty.read_only
            self._own_record |= duty.own_record
            self._for_uplink |= duty.for_uplink

    def request(self, message: dict[str, Any], reply: Callable[[Answer], None], peer_uid: int | None = None) -> None:
        """What changes something is answered when its record is durable: a mark that was confirmed is in the journal.
        ``peer_uid``: who asks, None for this process itself."""
        name = str(message.get("cmd"))
        answer = self._answer(name, message, trusted=peer_uid in self._trusted)
        if name in self._read_only:
            reply(answer)
        else:
            self._unit.after_commit(lambda: reply(answer))

    def _answer(self, name: str, message: dict[str, Any], *, trusted: bool) -> Answer:
        command = self._commands.get(name)
        if command is None:
            return refusal("unknown-command", f"没有命令 {name[:MAX_NAME]}", f"no command {name[:MAX_NAME]}")
        source: CommandSource = "control-socket" if trusted else "uplink"
        if not trusted and name not in self._read_only | self._for_uplink:
            answer = refusal(
                "not-permitted",
                f"命令 {name} 只有 root 或记录单元的用户可以使用",
                f"the command {name} is for root and the unit's own user only",
            )
            log.error("control.not-permitted", extra={"fields": {"command": name}})
            self._not_permitted += 1
            if self._not_permitted <= REFUSALS_RECORDED:
                self._record(name, source, answer)
            return answer
        failed = False
        try:
            answer = command(message)
        except Exception as error:  # whoever asked is told; the recording goes on (promise 1)
            log.exception("control.failed", extra={"fields": {"command": name}})
            kind = type(error).__name__
            failed = True
            answer = refusal("internal", f"命令执行出错：{kind}", f"the command failed: {kind}")
        if name not in self._read_only and (failed or name not in self._own_record):
            self._record(name, source, answer)
        return answer

    def _record(self, name: str, source: CommandSource, answer: Answer) -> None:
        error_code = answer.get("error", {}).get("code", "")
        self._unit.write(
            CommandRecord(
                command_id=str(uuid.uuid4()),
                source=source,
                name=name,
                result="accepted" if answer["ok"] else "refused",
                detail=str(error_code),
            )
        )
