"""The agency's desk: commands at random, delivered as a bad network delivers them: late, twice, a minute later again.

Some are forged, some for another unit, some have expired when they arrive. None starts or stops a recording: what the
officer wants stays the officer's story. What was answered is noted, and judged after the shift (:func:`obeyed_once`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec

from hw_sim.agency.certificates import file_signer
from hw_sim.deterministic.account import Line
from hw_sim.deterministic.promises import Violation
from hw_sim.deterministic.timeline import SECOND, Timeline
from hw_sim.deterministic.trace import Trace
from hw_sim.deterministic.unit import UnitLife
from recorder.evidence import jws
from recorder.evidence.commands import TYP
from recorder.evidence.signer import FileSigner
from recorder.unit.events import ControlRequest

SEGMENT = "00000000-0000-4000-8000-000000000001"
ORDERS: tuple[dict[str, Any], ...] = (
    {"kind": "mark"},
    {"kind": "mark", "mark": "art22-1"},
    {"kind": "grant", "segments": [SEGMENT], "until": 2e9},
    {"kind": "report-now"},
    {"kind": "restart"},  # refused here: no service manager
)
NOT_FINAL = ("clock-not-set", "command-early")
STRANGERS_UID = os.getuid() + 1
"""The uplink is neither root nor the unit's own user."""


@cache
def command_keys() -> tuple[FileSigner, FileSigner]:
    """(the agency's, a stranger's)."""
    one, other = (file_signer(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    return one, other


@dataclass(frozen=True, slots=True)
class Sent:
    """``good``: the unit may carry it out."""

    command_id: str
    kind: str
    text: str
    good: bool


@dataclass(slots=True)
class Desk:
    """``unit``: the living unit process, if there is one; ``wall_us``: the agency's own clock, which is right."""

    timeline: Timeline
    rnd: random.Random
    trace: Trace
    unit: Callable[[], UnitLife | None]
    wall_us: Callable[[], int]
    unit_id: str
    off_duty: bool = False
    sent: dict[str, Sent] = field(default_factory=dict)
    answers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By command: (result, code) of every answer, in their order."""

    def begin(self) -> None:
        self.timeline.after(self.rnd.randint(5 * SECOND, 60 * SECOND), self._command)

    def _command(self) -> None:
        if self.off_duty or len(self.sent) >= 30:
            return
        command = self._made(self.rnd.choices(["good", "forged", "elsewhere", "late"], [8, 1, 1, 1])[0])
        self.sent[command.command_id] = command
        for _ in range(self.rnd.randint(1, 3)):
            late = round(self.rnd.choice([0.1, 2.0, 90.0]) * self.rnd.random() * SECOND)
            self.timeline.after(late, lambda: self._deliver(command))
        self.timeline.after(self.rnd.randint(5 * SECOND, 90 * SECOND), self._command)

    def _made(self, how: str) -> Sent:
        ours, stranger = command_keys()
        order = self.rnd.choice(ORDERS)
        now_s = self.wall_us() / 1e6 - (3600 if how == "late" else 0)
        payload = {
            "ver": 1,
            "jti": str(UUID(int=self.rnd.getrandbits(128), version=4)),
            "unit_id": "zfy-another" if how == "elsewhere" else self.unit_id,
            "iat": now_s,
            "exp": now_s + 900,
            "order": order,
        }
        text = jws.sign(TYP, payload, stranger if how == "forged" else ours)
        return Sent(str(payload["jti"]), str(order["kind"]), text, how == "good")

    def _deliver(self, command: Sent) -> None:
        unit = self.unit()
        if self.off_duty:
            return
        if unit is None:
            self.timeline.after(2 * SECOND, lambda: self._deliver(command))
            return
        self.trace.say("desk", command.kind, good=command.good)
        message = {"cmd": "agency-command", "command": command.text}
        unit.events.put(ControlRequest(message, lambda answer: self._answered(command, answer), STRANGERS_UID))

    def _answered(self, command: Sent, answer: dict[str, Any]) -> None:
        self.answers.setdefault(command.command_id, []).append((str(answer["result"]), str(answer["code"])))


def obeyed_once(desk: Desk, lines: Sequence[Line]) -> list[Violation]:
    """Nothing that is not the agency's, or not for this unit and this hour, is begun; what is begun is begun once, has its
    effect once, and is answered the same ever after."""
    found: list[Violation] = []
    records = [line for line in lines if line.typ == "command" and line.payload["source"] == "mqtt"]
    begun = [line.payload["command_id"] for line in records if line.payload["result"] == "accepted"]
    for command_id in sorted(set(begun)):
        command = desk.sent.get(command_id)
        if command is None or not command.good:
            found.append(Violation(4, f"command {command_id} was begun and is none of the agency's for now and here"))
        if begun.count(command_id) > 1:
            found.append(Violation(4, f"command {command_id} was begun {begun.count(command_id)} times"))
    found += [violation for command_id in set(begun) for violation in _effect(command_id, records, lines)]
    for command_id, answers in desk.answers.items():
        final = [answer for answer in answers if answer[1] not in NOT_FINAL]
        if len(set(final)) > 1:
            found.append(Violation(4, f"command {command_id} was answered differently: {sorted(set(final))}"))
        if any(result == "done" for result, _ in final) and command_id not in begun:
            found.append(Violation(2, f"command {command_id} was answered as done and is not in the journal"))
    return found


def _effect(command_id: str, records: Sequence[Line], lines: Sequence[Line]) -> list[Violation]:
    """From ``accepted`` on: one that came too early was refused before, and what stands behind that refusal is not its."""
    own = [line for line in records if line.payload["command_id"] == command_id]
    begun = next(line for line in own if line.payload["result"] == "accepted")
    done = [line for line in own if line.payload["result"] == "done"]
    if not done or begun.payload["name"] != "mark":
        return []
    marks = [line for line in lines if line.typ == "mark" and begun.seq < line.seq < done[0].seq]
    if len(marks) == 1:
        return []
    return [Violation(4, f"command {command_id} set {len(marks)} marks")]
