"""Debouncing of a mechanical contact as a pure state machine.

Why not gpiozero's ``bounce_time``: it loses edges when the pulse before was shorter than the bounce time (gpiozero #550,
#1039), and a lost release of the record button is a stop that never comes. Here the first edge counts at once and with its
own time, the contact is then left alone for ``hold_off_us``, and whatever level it has afterwards is believed: no edge that
lasts can be lost, and no press is ever late.
"""

from __future__ import annotations


class Debouncer:
    """``pressed`` is the level before the first edge."""

    def __init__(self, hold_off_us: int, pressed: bool = False) -> None:
        self._hold_off_us = hold_off_us
        self._believed = pressed
        self._level = pressed
        self._level_since_us = 0
        self._quiet_until_us: int | None = None

    def edge(self, pressed: bool, at_us: int) -> list[tuple[bool, int]]:
        """The contact changed at ``at_us``. Returns the believed edges, as (pressed, boot-time in µs), in order."""
        believed = self.tick(at_us)
        if pressed != self._level:
            self._level = pressed
            self._level_since_us = at_us
        if self._quiet_until_us is None and pressed != self._believed:
            believed.append(self._believe(pressed, at_us))
        return believed

    def tick(self, now_us: int) -> list[tuple[bool, int]]:
        """Call at :meth:`deadline_us` or later: the level that outlasted the hold-off is believed, from when it began."""
        believed: list[tuple[bool, int]] = []
        while self._quiet_until_us is not None and now_us >= self._quiet_until_us:
            ended_us = self._quiet_until_us
            self._quiet_until_us = None
            if self._level != self._believed:
                believed.append(self._believe(self._level, self._level_since_us))
                # The hold-off of a level noticed at its end runs from there, or a chattering contact could do so for ever.
                self._quiet_until_us = ended_us + self._hold_off_us if self._hold_off_us else None
        return believed

    def deadline_us(self) -> int | None:
        """When :meth:`tick` is due, or None."""
        return self._quiet_until_us

    def _believe(self, pressed: bool, at_us: int) -> tuple[bool, int]:
        self._believed = pressed
        self._quiet_until_us = at_us + self._hold_off_us if self._hold_off_us else None
        return pressed, at_us
