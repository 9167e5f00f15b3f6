"""Night mode: light with hysteresis and dwell to one bit. Pure."""

from __future__ import annotations

from recorder.config.models import Night


class NightSwitch:
    """On below ``on_below_lux``, off above ``off_above_lux``, each only after ``dwell_s`` beyond it without a break:
    headlights of a passing car must not make the IR-cut clatter."""

    def __init__(self, settings: Night) -> None:
        self._settings = settings
        self.night = False
        self._beyond_since_us: int | None = None

    def reconfigure(self, settings: Night) -> None:
        """Other thresholds; the state stays until they say otherwise."""
        self._settings = settings

    def update(self, lux: float | None, now_us: int) -> bool:
        """Feed a reading (None: the sensor did not answer; the state is kept). True when the state just changed."""
        if not self._settings.enabled or lux is None:
            self._beyond_since_us = None
            return False
        beyond = lux > self._settings.off_above_lux if self.night else lux < self._settings.on_below_lux
        if not beyond:
            self._beyond_since_us = None
            return False
        if self._beyond_since_us is None:
            self._beyond_since_us = now_us
        if now_us - self._beyond_since_us < self._settings.dwell_s * 1e6:
            return False
        self.night = not self.night
        self._beyond_since_us = None
        return True
