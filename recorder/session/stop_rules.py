"""全程 mode (art. 20): a recording ends with a reason, chosen or spoken, and goes on without one. Pure.

The first stop hold asks. After it the officer says why, for three seconds or more, and holds again; or counts through the
choices with the mark button and holds again. Nothing here can trap anybody: the unit goes off when it is switched off
(``PowerOff`` is none of this machine's business), and an officer who walks away leaves a recording that runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from recorder.evidence.matter import Mode, StopChoice, StopReason

CHOICES: Final[tuple[StopChoice, ...]] = get_args(StopChoice)
MOST_SPANS: Final = 64
"""So many of the latest spans, and of the latest prompts, are remembered."""


@dataclass(frozen=True, slots=True)
class StopRuleSettings:
    """``speech_us``: so much speech is a reason. ``window_us``: so long after it the question stands. ``margin_us``: so
    much around the unit's own prompts is nobody's speech."""

    speech_us: int = 3_000_000
    window_us: int = 120_000_000
    margin_us: int = 500_000


@dataclass(frozen=True, slots=True)
class Stop:
    """End the recording. ``stated`` None: the mode asks for no reason."""

    stated: StopReason | None


@dataclass(frozen=True, slots=True)
class Ask:
    """Say that a reason is needed; the recording goes on."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The mark button moved on to this choice."""

    choice: StopChoice


class StopRules:
    """One recording's. ``reset`` with each session. All times CLOCK_BOOTTIME, µs."""

    def __init__(self, settings: StopRuleSettings | None = None) -> None:
        self._settings = settings or StopRuleSettings()
        self._prompts: dict[int, int] = {}
        self.reset()

    def reconfigure(self, settings: StopRuleSettings) -> None:
        self._settings = settings

    def reset(self) -> None:
        self._asked_us: int | None = None
        self._choice: int | None = None
        self._spans: dict[tuple[str, int], int] = {}

    def asked(self, now_us: int) -> bool:
        """The question has been put and still stands."""
        return self._asked_us is not None and now_us - self._asked_us <= self._settings.window_us

    def hold(self, now_us: int, mode: Mode | None) -> Stop | Ask:
        """The stop gesture."""
        if mode != "全程":
            return Stop(None)
        if not self.asked(now_us):
            self.reset()
            self._asked_us = now_us
            return Ask()
        stated = self._stated()
        if stated is None:
            return Ask()
        self.reset()  # answered: a mark in the post-event time is a mark
        return Stop(stated)

    def _stated(self) -> StopReason | None:
        if self._choice is not None:
            return StopReason(by="choice", choice=CHOICES[self._choice], asked_us=self._asked_us)
        spoken = self.spoken()
        if sum(end - start for start, end in spoken) < self._settings.speech_us:
            return None
        return StopReason(by="speech", asked_us=self._asked_us, spoken=spoken)

    def superseded(self, at_us: int) -> None:
        """The officer was asked something else after this question, why there was a gap: that is answered now, by voice
        and by mark button. Whoever still wants to stop holds again and is asked again."""
        if self._asked_us is not None and at_us > self._asked_us:
            self.reset()

    def mark(self, now_us: int) -> Chosen | None:
        """The mark gesture. None: no question stands, it is a mark like any other."""
        if not self.asked(now_us):
            return None
        self._choice = 0 if self._choice is None else (self._choice + 1) % len(CHOICES)
        return Chosen(CHOICES[self._choice])

    def speech(self, camera_id: str, start_us: int, end_us: int) -> None:
        """A worker heard speech. A later report of a span that goes on takes the place of the earlier."""
        span = camera_id, start_us
        if self._asked_us is None or end_us <= self._asked_us:
            return
        self._spans[span] = max(end_us, self._spans.get(span, 0))
        if len(self._spans) > MOST_SPANS:
            del self._spans[next(iter(self._spans))]

    def prompt(self, start_us: int, end_us: int) -> None:
        """The unit itself speaks: the microphone hears that, too. First with the end that is expected, then with the true
        one: nothing was heard where that is the beginning. One that began before the question may be heard after it."""
        self._prompts.pop(start_us, None)
        if end_us > start_us:
            self._prompts[start_us] = end_us
        if len(self._prompts) > MOST_SPANS:
            del self._prompts[next(iter(self._prompts))]

    def spoken(self) -> tuple[tuple[int, int], ...]:
        """What was said after the question, without the unit's own prompts; two microphones hear one voice once."""
        assert self._asked_us is not None
        margin = self._settings.margin_us
        own = [(start - margin, end + margin) for start, end in sorted(self._prompts.items())]
        heard: list[tuple[int, int]] = []
        for start, end in sorted((max(start, self._asked_us), end) for (_, start), end in self._spans.items()):
            if heard and start <= heard[-1][1]:
                heard[-1] = (heard[-1][0], max(heard[-1][1], end))
            else:
                heard.append((start, end))
        return tuple(piece for span in heard for piece in _without(span, own))[:MOST_SPANS]


def _without(span: tuple[int, int], holes: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """What of ``span`` lies outside ``holes`` (ordered by their beginning)."""
    at, end = span
    pieces: list[tuple[int, int]] = []
    for hole_start, hole_end in holes:
        if hole_start > at:
            pieces.append((at, min(hole_start, end)))
        at = max(at, hole_end)
        if at >= end:
            return pieces
    return [*pieces, (at, end)]
