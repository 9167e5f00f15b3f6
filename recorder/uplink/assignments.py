"""Signed assignments on their way from the broker to the unit process. Carried, never believed: the unit verifies.

They wait in memory only. The agency repeats what was not answered, and the unit takes each but once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from recorder.uplink.carrier import Answer
from recorder.uplink.faults import UplinkFault
from recorder.uplink.mqtt import MessageProperties

MAX_TEXT: Final = 2048
WAITING: Final = 16
RETRY_US: Final = 2_000_000
ANSWER_EXPIRY_S: Final = 600


class AssignmentCarrier:
    """``hand_over`` gives one to the unit and returns its answer; raises UplinkFault while it is away. ``report`` is told
    whether the unit answered."""

    suffix: Final = "down/assign"

    def __init__(
        self, hand_over: Callable[[str], dict[str, Any]], report: Callable[[UplinkFault | None], None]
    ) -> None:
        self._hand_over = hand_over
        self._report = report
        self._waiting: dict[str, str] = {}
        self._not_before_us = 0

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        """Raises ValueError for anything that is not what docs/wire.md says."""
        del properties  # who asks tells the answers apart by ``in_reply_to``
        msg_id, text = value.get("msg_id"), value.get("assignment")
        if not isinstance(msg_id, str) or not 0 < len(msg_id) <= 64:
            raise ValueError("no usable msg_id")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
            raise ValueError(f"assignment is not text of at most {MAX_TEXT} characters")
        self._waiting[msg_id] = text
        while len(self._waiting) > WAITING:
            del self._waiting[next(iter(self._waiting))]

    def connected(self) -> None:
        """Nothing to do: the agency asks again for an answer that went astray."""

    def tick(self, now_us: int) -> list[Answer]:
        """Hand over what waits, in its order; the answers to publish."""
        answers: list[Answer] = []
        while self._waiting and now_us >= self._not_before_us:
            msg_id = next(iter(self._waiting))
            try:
                said = self._hand_over(self._waiting[msg_id])
            except UplinkFault as fault:
                self._report(fault)
                self._not_before_us = now_us + RETRY_US
                return answers
            self._report(None)
            del self._waiting[msg_id]
            members = {"in_reply_to": msg_id, **_members(said)}
            answers.append(Answer("up/assigned", members, expiry_s=ANSWER_EXPIRY_S))
        return answers


def _members(said: dict[str, Any]) -> dict[str, Any]:
    if said.get("ok") is True:
        return {"result": "accepted", "officers": said.get("officers")}
    error = said.get("error")
    known = error if isinstance(error, dict) else {}
    return {"result": "refused", **{key: str(known.get(key, ""))[:200] for key in ("code", "zh", "en")}}
