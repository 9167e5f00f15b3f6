"""Signed commands on their way from the broker to the unit process, and its answers back. Carried, never opened.

They wait in memory only: the agency repeats what was not answered, and the unit answers a repeat as it did the first time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from recorder.uplink.carrier import Answer
from recorder.uplink.faults import UNIT_AWAY, UplinkFault
from recorder.uplink.mqtt import MessageProperties

MAX_TEXT: Final = 8192
MAX_CORRELATION: Final = 64
WAITING: Final = 16
ANSWER_EXPIRY_S: Final = 600
"""Whoever asked has given up long before; the next who asks gets an answer of his own."""

RETRY_US: Final = 2_000_000
MEMBERS: Final = ("command_id", "kind", "result", "code", "zh", "en", "seq")
"""Of the unit's answer, as they stand in up/resp."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    text: str
    correlation: bytes | None


class CommandCarrier:
    """``hand_over`` gives one to the unit and returns its answer; raises UplinkFault while it is away. ``report`` is told
    whether the unit answered, ``carried_out`` the kind of each command that the unit says is done: some are the uplink's
    to finish (docs/wire.md)."""

    suffix: Final = "down/cmd"

    def __init__(
        self,
        hand_over: Callable[[str], dict[str, Any]],
        report: Callable[[UplinkFault | None], None],
        carried_out: Callable[[str], None],
    ) -> None:
        self._hand_over = hand_over
        self._report = report
        self._carried_out = carried_out
        self._waiting: dict[str, _Waiting] = {}
        self._not_before_us = 0

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        """Raises ValueError for anything that is not what docs/wire.md says. The answer always goes to up/resp, the only
        topic a unit may answer on, whatever Response Topic says."""
        msg_id, text = value.get("msg_id"), value.get("command")
        if not isinstance(msg_id, str) or not 0 < len(msg_id) <= 64:
            raise ValueError("no usable msg_id")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
            raise ValueError(f"command is not text of at most {MAX_TEXT} characters")
        correlation = properties.correlation_data
        if correlation is not None and len(correlation) > MAX_CORRELATION:
            raise ValueError(f"correlation data of more than {MAX_CORRELATION} bytes")
        self._waiting[msg_id] = _Waiting(text, correlation)
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]

    def connected(self) -> None:
        """Nothing to do: the agency asks again for an answer that went astray."""

    def tick(self, now_us: int) -> list[Answer]:
        """Hand over what waits, in its order; the answers to publish."""
        answers: list[Answer] = []
        while self._waiting and now_us >= self._not_before_us:
            msg_id = next(iter(self._waiting))
            item = self._waiting[msg_id]
            try:
                members = _members(self._hand_over(item.text))
            except UplinkFault as fault:
                self._report(fault)
                self._not_before_us = now_us + RETRY_US
                return answers
            self._report(None)
            del self._waiting[msg_id]
            members = {"in_reply_to": msg_id, **members}
            answers.append(Answer("up/resp", members, correlation_data=item.correlation, expiry_s=ANSWER_EXPIRY_S))
            if members["result"] == "done":
                self._carried_out(str(members["kind"]))
        return answers


def _members(said: dict[str, Any]) -> dict[str, Any]:
    """Raises UplinkFault ``unit-away`` for a unit that did not come to it: its disk refuses, say."""
    if "result" in said:
        return {name: value[:200] if isinstance(value := said.get(name), str) else value for name in MEMBERS}
    error = said.get("error")
    known = error if isinstance(error, dict) else {}
    if known.get("code") == "timeout":
        raise UplinkFault(UNIT_AWAY, "control.sock: timeout")
    # A unit process of an older version, which knows no commands: nothing was done.
    words = {key: str(known.get(key, ""))[:200] for key in ("code", "zh", "en")}
    return {"command_id": None, "kind": "", "result": "refused", **words, "seq": None}
