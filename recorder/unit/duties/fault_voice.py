"""Tells the officer of the faults that are theirs to hear: the catalogue says which, the evidence gives the numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from recorder.evidence.records import Fault, Record
from recorder.faults.catalogue import CATALOGUE
from recorder.unit.duty import Duty

Values = Callable[[Mapping[str, Any]], dict[str, object] | None]
"""Values of a prompt from a fault's evidence; None: without them the prompt would be wrong, so nothing is said."""


def _minutes(evidence: Mapping[str, Any]) -> dict[str, object] | None:
    minutes = evidence.get("minutes_left")
    return None if minutes is None else {"minutes": max(1, int(minutes))}


VALUES: Final[dict[str, Values]] = {"battery-low": _minutes, "storage-low": _minutes}


class FaultVoice(Duty):
    name = "fault-voice"

    def observe(self, record: Record) -> None:
        if not isinstance(record, Fault) or "ended_by" in record.evidence or record.code not in CATALOGUE:
            return
        kind = CATALOGUE[record.code]
        prompt = kind.prompt if record.phase == "onset" else kind.prompt_end
        if prompt is None:
            return
        values = VALUES[prompt](record.evidence) if prompt in VALUES else {}
        if values is not None:
            self._unit.say(prompt, **values)
