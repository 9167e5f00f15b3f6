"""The desired configuration on its way from the broker to the unit process, and what the unit reports of it.

Carried, never believed: the unit verifies. The topic is retained, so the newest one comes with every connection; the unit
knows which it has seen. What it reports it writes into its ``status.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from recorder.uplink.carrier import Answer
from recorder.uplink.faults import UplinkFault
from recorder.uplink.mqtt import MessageProperties

MAX_TEXT: Final = 48 << 10
RETRY_US: Final = 2_000_000
REPEAT_US: Final = 300_000_000
"""A retained message published while the connection broke may be lost: it is said again now and then."""


class DesiredCarrier:
    """``hand_over`` gives one to the unit and returns its answer; raises UplinkFault while it is away. ``report`` is told
    whether the unit answered. ``reported`` is what the unit said last (members of up/reported), None before it said
    anything."""

    suffix: Final = "down/desired"

    def __init__(
        self,
        hand_over: Callable[[str], dict[str, Any]],
        report: Callable[[UplinkFault | None], None],
        reported: Callable[[], Mapping[str, Any] | None],
    ) -> None:
        self._hand_over = hand_over
        self._report = report
        self._reported = reported
        self._waiting: str | None = None
        self._not_before_us = 0
        self._said = ""
        self._say_again_us = 0

    def arrived(self, value: dict[str, Any], properties: MessageProperties) -> None:
        """Raises ValueError for anything that is not what docs/wire.md says. Only the newest counts."""
        del properties
        text = value.get("desired")
        if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT:
            raise ValueError(f"desired is not text of at most {MAX_TEXT} characters")
        self._waiting = text
        self._not_before_us = 0

    def connected(self) -> None:
        """The broker brings the desired one again by itself; what was reported may not have arrived."""
        self._said = ""

    def tick(self, now_us: int) -> list[Answer]:
        self._deliver(now_us)
        reported = self._reported()
        if reported is None:
            return []
        said = json.dumps(reported, sort_keys=True)
        if said == self._said and now_us < self._say_again_us:
            return []
        self._said, self._say_again_us = said, now_us + REPEAT_US
        return [Answer("up/reported", dict(reported), retain=True)]

    def _deliver(self, now_us: int) -> None:
        """A refusal needs no answer of its own: it is in what the unit reports."""
        if self._waiting is None or now_us < self._not_before_us:
            return
        try:
            self._hand_over(self._waiting)
        except UplinkFault as fault:
            self._report(fault)
            self._not_before_us = now_us + RETRY_US
            return
        self._report(None)
        self._waiting = None
