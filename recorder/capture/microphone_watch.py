"""What is wrong with the microphone: from what was read, or not read, to faults with onset and end. No device, no thread.

``microphone-unplugged``: the device refuses or is gone. ``microphone-stall``: it is there and delivers nothing.
``microphone-overflow``: it delivers, but has lost samples before. ``microphone-silent``: it delivers nothing but its own
converter's noise. Their evidence is described in ``docs/faults.md``; ``missing_us`` there is the silence that stands in
the recording for what was not delivered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from firmware_bridge.ports import DeviceError, Samples
from recorder.capture.loudness import dbfs, power
from recorder.capture.settings import MicrophoneFaults

FaultSink = Callable[[str, Literal["onset", "end"], dict[str, Any]], None]

_WAKE_US: Final = 1_000_000
"""A converter that was just opened may deliver zeros while its supply settles: they say nothing yet."""


_FLAPS: Final = 4
_FLAP_WINDOW_US: Final = 60_000_000
_CALM_US: Final = 15_000_000
"""What begins for the ``_FLAPS``th time within the window is over only after so long without it: a loose plug in a moving
car must not fill the journal. Its count goes on meanwhile."""


@dataclass(slots=True)
class _Fault:
    """One kind of fault: present from the first time it is seen until it has not been seen for a while."""

    present: bool = False
    from_us: int = 0
    last_us: int = 0
    count: int = 0
    missing: int = 0
    onsets: deque[int] = field(default_factory=lambda: deque(maxlen=_FLAPS))

    def see(self, now_us: int, missing: int = 0, from_us: int | None = None) -> bool:
        """It shows. True when that is news."""
        news = not self.present
        if news:
            self.count = self.missing = 0
            self.from_us = now_us if from_us is None else from_us
            self.onsets.append(now_us)
        self.present, self.last_us = True, now_us
        self.count += 1
        self.missing += missing
        return news

    def is_over(self, now_us: int, settled_us: int) -> bool:
        """True once, when it has not been seen for ``settled_us``."""
        if not self.present or now_us - self.last_us < self._dwell_us(settled_us):
            return False
        self.present = False
        return True

    def span(self) -> dict[str, Any]:
        return {"from_us": self.from_us, "to_us": self.last_us}

    def _dwell_us(self, settled_us: int) -> int:
        flapping = len(self.onsets) == _FLAPS and self.onsets[-1] - self.onsets[0] < _FLAP_WINDOW_US
        return max(_CALM_US, settled_us) if flapping else settled_us


class MicrophoneWatch:
    """``missing`` counts samples at ``rate`` that silence had to stand in for. ``fault`` only enqueues."""

    def __init__(self, settings: MicrophoneFaults, rate: int, fault: FaultSink) -> None:
        self._zero_us = round(settings.zero_s * 1e6)
        self._silent_us = round(settings.silent_s * 1e6)
        self._settled_us = round(settings.settled_s * 1e6)
        self._below_dbfs = settings.silent_below_dbfs
        self._rate = rate
        self._fault = fault
        self._unplugged = _Fault()
        self._stalled = _Fault()
        self._overflowed = _Fault()
        self._silent = _Fault()
        self._opened_us: int | None = None
        self._zero_since_us: int | None = None
        self._quiet_since_us: int | None = None
        self._loudest_dbfs = 0.0

    def block(self, now_us: int, samples: Samples, *, overflowed: bool, missing: int) -> None:
        """A block was read; ``missing`` samples before it were lost."""
        if missing and (self._unplugged.present or self._stalled.present):
            (self._unplugged if self._unplugged.present else self._stalled).missing += missing
        elif overflowed or missing:
            # What was lost lies before this block, so that is where the fault begins, and here is where it ends.
            from_us = now_us - self._us(len(samples) + missing)
            if self._overflowed.see(now_us, missing, from_us):
                self._fault("microphone-overflow", "onset", {"from_us": from_us, "count": 1})
        self._hear(now_us, samples)
        self._look_for_ends(now_us)

    def nothing(self, now_us: int, *, missing: int) -> None:
        """Nothing could be read, and ``missing`` samples of silence took its place."""
        self._look_for_the_end_of_overflow(now_us)
        # What is gone or stalled has not recovered before blocks come again, however long ago it last complained.
        if self._unplugged.present:
            self._unplugged.last_us = now_us
            self._unplugged.missing += missing
            return
        if self._stalled.present:
            self._stalled.last_us = now_us
        if not missing:
            return
        self._forget_level()
        if self._stalled.see(now_us, missing):
            self._fault("microphone-stall", "onset", {"from_us": now_us, "missing_us": self._us(missing)})

    def hangs(self, now_us: int) -> None:
        """The driver does not even come back from reading."""
        self._look_for_the_end_of_overflow(now_us)
        if self._unplugged.present:
            return
        if self._stalled.see(now_us):
            evidence = {"from_us": now_us, "error": "microphone driver hangs 麦克风驱动无响应"}
            self._fault("microphone-stall", "onset", evidence)

    def gone(self, now_us: int, error: DeviceError) -> None:
        """Opening or reading failed."""
        self._opened_us = None
        self._forget_level()
        if self._unplugged.see(now_us):
            evidence = {"from_us": now_us, "error": str(error), "errno": error.errno}
            self._fault("microphone-unplugged", "onset", evidence)

    def _hear(self, now_us: int, samples: Samples) -> None:
        begin_us = now_us - self._us(len(samples))
        if self._opened_us is None:
            self._opened_us = begin_us
        level = dbfs(power(samples))
        if level >= self._below_dbfs:
            self._forget_level()
            return
        # The end of silence is the end of the fault only when it lasts: until then it keeps being seen.
        if self._silent.present:
            self._silent.last_us = now_us
            return
        self._loudest_dbfs = level if self._quiet_since_us is None else max(self._loudest_dbfs, level)
        self._quiet_since_us = begin_us if self._quiet_since_us is None else self._quiet_since_us
        constant = not samples.size or bool((samples == samples[0]).all())
        if not constant or begin_us < self._opened_us + _WAKE_US:
            self._zero_since_us = None
        elif self._zero_since_us is None:
            self._zero_since_us = begin_us
        if self._zero_since_us is not None and now_us - self._zero_since_us >= self._zero_us:
            self._falls_silent(now_us, self._zero_since_us, digital_zero=True)
        elif now_us - self._quiet_since_us >= self._silent_us:
            self._falls_silent(now_us, self._quiet_since_us, digital_zero=False)

    def _falls_silent(self, now_us: int, from_us: int, *, digital_zero: bool) -> None:
        self._silent.see(now_us, from_us=from_us)
        evidence = {"from_us": from_us, "level_dbfs": self._loudest_dbfs, "digital_zero": digital_zero}
        self._fault("microphone-silent", "onset", evidence)

    def _forget_level(self) -> None:
        self._zero_since_us = self._quiet_since_us = None

    def _look_for_the_end_of_overflow(self, now_us: int) -> None:
        """A device that delivers nothing loses no samples for being read too late: that is over, whatever began since. The
        other faults are over only when blocks come again."""
        self._look_for_end("microphone-overflow", self._overflowed, "count", now_us)

    def _look_for_ends(self, now_us: int) -> None:
        for code, fault, counted in (
            ("microphone-unplugged", self._unplugged, "attempts"),
            ("microphone-stall", self._stalled, None),
            ("microphone-overflow", self._overflowed, "count"),
            ("microphone-silent", self._silent, None),
        ):
            self._look_for_end(code, fault, counted, now_us)

    def _look_for_end(self, code: str, fault: _Fault, counted: str | None, now_us: int) -> None:
        if not fault.is_over(now_us, self._settled_us):
            return
        evidence = fault.span()
        if counted is not None:
            evidence[counted] = fault.count
        if fault is not self._silent:
            evidence["missing_us"] = self._us(fault.missing)
        self._fault(code, "end", evidence)

    def _us(self, samples: int) -> int:
        return samples * 1_000_000 // self._rate
