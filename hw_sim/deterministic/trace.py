"""A readable account of a shift in order of time: what the world did, and what the recorder wrote."""

from __future__ import annotations

from collections.abc import Callable

from hw_sim.deterministic.timeline import SECOND, Timeline

Out = Callable[[str], None]


class Trace:
    """``out`` None: nothing is said, and nothing is formatted."""

    def __init__(self, timeline: Timeline, out: Out | None = None) -> None:
        self._timeline = timeline
        self._out = out

    @property
    def on(self) -> bool:
        return self._out is not None

    def say(self, who: str, what: str, **fields: object) -> None:
        """``who``: world, officer, unit, worker, uplink, store, disk."""
        if self._out is None:
            return
        seconds = self._timeline.now_us / SECOND
        rest = " ".join(f"{name}={_short(value)}" for name, value in fields.items())
        self._out(f"{int(seconds // 60):02d}:{seconds % 60:09.6f}  {who:<8} {what} {rest}".rstrip())


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
