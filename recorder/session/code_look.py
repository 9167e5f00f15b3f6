"""When the lens is watched for a QR code: only where an officer may want to sign in. Pure.

A window opens with the shift, with a session that begins with fewer than two officers, and on request (the mark button in
standby, ``recorder ctl scan``); two officers close it.
"""

from __future__ import annotations

ENOUGH = 2
"""Art. 15, 23: two officers."""


class CodeLook:
    """``look_us``: length of a window, 0 for never. All times CLOCK_BOOTTIME, µs."""

    def __init__(self, look_us: int) -> None:
        self._look_us = look_us
        self.until_us = 0
        """The window's end; 0 while the lens is not watched."""

    def open(self, now_us: int, officers: int, *, asked: bool = False) -> bool:
        """True when the workers have to be told. ``asked``: somebody wants it, however many are signed in."""
        if self._look_us == 0 or (officers >= ENOUGH and not asked):
            return False
        self.until_us = now_us + self._look_us
        return True

    def signed_in(self, officers: int) -> bool:
        """Somebody signed in. True when the workers have to be told that it is enough."""
        if officers < ENOUGH or not self.until_us:
            return False
        self.until_us = 0
        return True

    def tick(self, now_us: int) -> None:
        """Workers end a window by themselves, by the same clock."""
        if now_us >= self.until_us:
            self.until_us = 0
