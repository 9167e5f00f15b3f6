"""The board's devices, each looked at in a process that can be killed: a check always ends, with a line for its device.

One process looks at all of them (its start takes seconds on a small board); one that hangs or dies is replaced by another
that goes on behind the device it hung at.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from firmware_bridge.in_time import SILENCE_S, silent
from firmware_bridge.ports import Check
from recorder.doctor.looking import MODULE, Question
from recorder.lean import module_command, settings_file

START_S: Final = 30.0
"""Until the process has loaded the board's module: on a Zero 2 W from a slow card."""

KILLED_S: Final = 1.0
"""How long a killed process is waited for: one that hangs in the kernel outlives even that, and is left behind."""


class CannotDiagnose(Exception):
    """The module has no ``diagnose``, or (``reason``) cannot be loaded."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds of silence."""

    start_s: float = START_S
    look_s: float = SILENCE_S


def devices(question: Question, limits: Limits | None = None) -> Iterator[Check]:
    """Every check of the board, in order; a device whose check hangs or ends the process is a fault. Raises CannotDiagnose
    before the first check, OSError where no process can be started."""
    limits, told = limits or Limits(), set[Check]()
    left: int | None = question.skip
    while left is not None:
        looker = Looker(msgspec.structs.replace(question, skip=left), limits)
        try:
            for check in looker.checks():
                if check not in told:  # what is wrong with the options, another process found as well
                    told.add(check)
                    yield check
        finally:
            looker.kill()
        left = looker.left


class Looker:
    """One process that looks. ``left``: at which device another has to go on; None: nothing is left."""

    def __init__(self, question: Question, limits: Limits) -> None:
        self._limits = limits
        self._begun = question.skip
        self.left: int | None = None
        fd = settings_file(msgspec.json.encode(question))
        try:
            self._process = subprocess.Popen(module_command(MODULE), stdin=fd, stdout=subprocess.PIPE, bufsize=0)
        finally:
            os.close(fd)
        self._buffer = b""

    def checks(self) -> Iterator[Check]:
        device, limit_s = "board", self._limits.start_s
        while True:
            try:
                answer = self._next(limit_s)
            except TimeoutError:
                yield silent(device, limit_s)
                break
            if answer is None:
                yield self._died(device)
                break
            match answer:
                case {"error": str(reason)}:
                    raise CannotDiagnose(reason)
                case {"module": False}:
                    raise CannotDiagnose
                case {"module": True}:
                    limit_s = self._limits.look_s
                case {"begin": str(device)}:
                    self._begun += 1
                case {"check": check}:
                    yield Check(**check)
                case {"end": True}:
                    return
        # A module that cannot even be loaded, or that hangs between two devices, would do so again.
        self.left = self._begun if device != "board" else None

    def kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILLED_S)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _next(self, timeout_s: float) -> dict[str, Any] | None:
        """The next line; None when the process has ended without. Raises TimeoutError after so long without a byte."""
        assert self._process.stdout is not None
        fd = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            if not select.select([fd], [], [], timeout_s)[0]:
                raise TimeoutError
            data = os.read(fd, 65536)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self, device: str) -> Check:
        try:
            status = self._process.wait(KILLED_S)
        except subprocess.TimeoutExpired:
            status = 0
        how = signal.Signals(-status).name if status < 0 else f"exit {status}"
        return Check(
            device,
            "fault",
            f"检查使进程终止（{how}）：驱动库出错",
            f"the check ended its process ({how}): the driver's library is broken",
            "重新安装驱动库；仍然如此则检查接线，或更换器件",
            "reinstall the driver's library; if it stays, check the wires or replace the part",
        )
