"""What the control socket's commands do: each belongs to a duty. Decided on the main thread; every command that changes
something is recorded."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from recorder.evidence.records import Command as CommandRecord
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices

log = logging.getLogger("recorder.unit")

MAX_NAME = 64


class ControlCommands:
    """Raises ValueError when two duties claim the same command."""

    def __init__(self, services: UnitServices, duties: Sequence[Duty]) -> None:
        self._unit = services
        self._commands: dict[str, Command] = {}
        self._read_only: set[str] = set()
        self._own_record: set[str] = set()
        for duty in duties:
            for name, command in duty.commands().items():
                if name in self._commands:
                    raise ValueError(f"{name}: claimed by two duties")
                self._commands[name] = command
            self._read_only |= duty.read_only
            self._own_record |= duty.own_record

    def request(self, message: dict[str, Any], reply: Callable[[Answer], None]) -> None:
        """What changes something is answered when its record is durable: a mark that was confirmed is in the journal."""
        name = str(message.get("cmd"))
        answer = self._answer(name, message)
        if name in self._read_only:
            reply(answer)
        else:
            self._unit.after_commit(lambda: reply(answer))

    def _answer(self, name: str, message: dict[str, Any]) -> Answer:
        command = self._commands.get(name)
        if command is None:
            return refusal("unknown-command", f"没有命令 {name[:MAX_NAME]}", f"no command {name[:MAX_NAME]}")
        failed = False
        try:
            answer = command(message)
        except Exception as error:  # whoever asked is told; the recording goes on (promise 1)
            log.exception("control.failed", extra={"fields": {"command": name}})
            kind = type(error).__name__
            failed = True
            answer = refusal("internal", f"命令执行出错：{kind}", f"the command failed: {kind}")
        if name not in self._read_only and (failed or name not in self._own_record):
            error_code = answer.get("error", {}).get("code", "")
            self._unit.write(
                CommandRecord(
                    command_id=str(uuid.uuid4()),
                    source="control-socket",
                    name=name,
                    result="accepted" if answer["ok"] else "refused",
                    detail=str(error_code),
                )
            )
        return answer
