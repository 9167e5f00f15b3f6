"""When a new process costs nothing: once nothing has been recorded for a while. Pure.

A segment boundary is no such moment. The workers belong to the unit process and end with it; a restart there would cut the
recording for seconds, which is an interruption that somebody has to explain (art. 23).
"""

from __future__ import annotations

from recorder.session.reload import QUIET_US


class IdleRestart:
    """``asked_by``: on whose word, empty while nobody asked. The newest counts, they all want the same."""

    def __init__(self) -> None:
        self.asked_by = ""
        self._quiet_since_us: int | None = None
        self._done = False

    def ask(self, asked_by: str) -> None:
        self.asked_by = asked_by

    def due(self, now_us: int, *, recording: bool) -> bool:
        """True once: now. Call each turn, asked or not: how long it has been quiet is counted from the first look on."""
        if recording:
            self._quiet_since_us = None
        elif self._quiet_since_us is None:
            self._quiet_since_us = now_us
        quiet = self._quiet_since_us is not None and now_us - self._quiet_since_us >= QUIET_US
        due = bool(self.asked_by) and quiet and not self._done
        self._done = self._done or due
        return due
