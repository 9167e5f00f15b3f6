"""What a vehicle's ignition means to the recording. Pure.

The ignition may start a recording, and may end one that it started itself; a recording somebody began, or marked since the
ignition went off, is theirs to end. In 全程 mode nothing ends without a reason (art. 20), and an ignition has none: the
session machine refuses, and the recording goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from recorder.config.models import Vehicle


@dataclass(frozen=True, slots=True)
class IgnitionSettings:
    """``stop_after_us`` None: the ignition ends nothing."""

    start: bool
    stop_after_us: int | None

    @classmethod
    def of(cls, settings: Vehicle) -> IgnitionSettings:
        minutes = settings.stop_after_ignition_off_min
        return cls(settings.start_on_ignition, round(minutes * 60e6) if minutes else None)


class IgnitionPolicy:
    """``may_start``: whether an ignition that is on when the unit starts counts as switched on. It does when the unit
    started with the vehicle, and not when only the program did: an officer may have stopped the recording meanwhile."""

    def __init__(self, settings: IgnitionSettings, *, may_start: bool = True) -> None:
        self._settings = settings
        self._may_start = may_start
        self._on: bool | None = None
        self._off_us: int | None = None
        self._session: str | None = None
        self._ours = False

    def level(self, on: bool, since_us: int) -> bool:
        """The ignition is on or off since then. True: start a recording, if none runs."""
        first, self._on = self._on is None, on
        self._off_us = None if on else since_us
        return on and self._settings.start and (self._may_start or not first)

    def session_began(self, session_id: str, trigger: str) -> None:
        self._session, self._ours = session_id, trigger == "ignition"

    def session_ended(self) -> None:
        self._session, self._ours = None, False

    def marked(self) -> None:
        """The officer is at work: from here on the recording is theirs, if the ignition is off."""
        if self._off_us is not None:
            self._ours = False

    def due(self, now_us: int) -> bool:
        """Ask for the end of the recording: once, the answer may be no."""
        after_us = self._settings.stop_after_us
        if not self._ours or self._off_us is None or after_us is None or now_us - self._off_us < after_us:
            return False
        self._ours = False
        return True
