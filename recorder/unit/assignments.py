"""Signed assignments as the unit process keeps them: the agency's command key, the ids already used, the limit on noise."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from recorder.evidence.assignments import AssignmentCheck
from recorder.evidence.files import Files
from recorder.evidence.state import JournalState
from recorder.unit.agency_key import agency_key

REFUSALS_RECORDED = 32
"""So many refused ones are signed facts per start: who holds codes before the lens must not fill the journal."""


class AssignmentBook:
    def __init__(self, trust_dir: Path, unit_id: str, max_days: float, files: Files) -> None:
        self._trust_dir = trust_dir
        self._unit_id = unit_id
        self._max_s = max_days * 86_400
        self._files = files
        self._refusals = 0
        self.used: deque[str] = deque(maxlen=JournalState.ASSIGNMENTS)

    def check(self) -> AssignmentCheck:
        """With the key as it is now: an enrolment may have come since. Assignments are few."""
        return AssignmentCheck(agency_key(self._trust_dir, self._files), self._unit_id, self._max_s)

    def refusal_counts(self) -> bool:
        """A refusal is worth a record; counts it."""
        self._refusals += 1
        return self._refusals <= REFUSALS_RECORDED
