"""Is it the store that fails, or this one thing? Pure.

A fault such as 500 or a reset connection rests everything, for it usually is the store's. But one segment (or the journal)
may be what the store fails on, every time, and it would be tried first for ever with all else behind it. So after a fault
without any progress something else is tried, if there is something; and when that gets through, what fails again rests
alone.
"""

from __future__ import annotations


class Blame:
    """A thing is a segment's id, or ``""`` for the journal."""

    def __init__(self) -> None:
        self._suspects: dict[str, int] = {}
        """What failed, and how many things had got through by then."""
        self._tried: set[str] = set()
        """What failed since anything got through."""
        self._through = 0
        self._progressed = False

    def progress(self) -> None:
        """Bytes of what is being done arrived: the store takes them, slow as the line may be."""
        self._progressed = True

    def through(self, thing: str) -> None:
        self._through += 1
        self._tried.clear()
        self._suspects.pop(thing, None)
        self._progressed = False

    def failed(self, thing: str) -> bool:
        """True: others got through since it failed last, so it is this thing and not the store."""
        progressed, self._progressed = self._progressed, False
        if progressed:
            self._suspects.pop(thing, None)
            return False
        before = self._suspects.get(thing)
        self._suspects[thing] = self._through
        self._tried.add(thing)
        return before is not None and self._through > before

    def forget(self, thing: str) -> None:
        self._suspects.pop(thing, None)
        self._tried.discard(thing)

    def tried(self, thing: str) -> bool:
        """It had its chance since anything got through: something else first."""
        return thing in self._tried
