"""Speaks prompts: what is due, to the loudspeaker and the motor. The order is decided by ``waiting``.

Everything played is reported with its beginning and end, so that nobody mistakes it for a sound of the scene. In stealth
mode (静默模式) nothing is heard, but everything is reported all the same, with outcome ``silenced``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from firmware_bridge.ports import DeviceError, Sound, Speaker
from recorder.officer.indicators import TONE_RATE, tones
from recorder.officer.prompts import joining
from recorder.officer.prompts.catalogue import Catalogue
from recorder.officer.prompts.numerals import Language
from recorder.officer.prompts.voice import RATE, Voice, VoiceError, silence
from recorder.officer.prompts.waiting import Dropped, Request, WaitingLine

assert TONE_RATE == RATE  # tone and speech are one signal

AFTER_TONE_MS: Final = 80
LATE_US: Final = 2_000_000
"""A device may be so late with the end of a prompt (opening it, its buffers, a tone before and one behind it). Later than
that nobody knows what was heard: the prompt has failed."""
STILL_PLAYING: Final = "still playing 未在限时内播完"
EARLY_US: Final = 250_000
"""A prompt that ends so much before its samples do was not heard to its end."""

Outcome = Literal["spoken", "silenced", "cut", "failed", "dropped"]
"""``silenced``: stealth, or a unit without loudspeaker · ``cut``: by an urgent one, by stealth or the end of the process ·
``dropped``: never begun, it had become stale or others were more important."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """One prompt as it is reported. ``text``: the words, in ``language``."""

    id: str
    text: str
    language: Language
    values: Mapping[str, object]
    from_us: int


class PromptListener(Protocol):
    def started(self, utterance: Utterance, length_us: int) -> None:
        """It begins; its samples last ``length_us``."""

    def ended(self, utterance: Utterance, to_us: int, outcome: Outcome, detail: str) -> None:
        """It is over. Every prompt asked for comes here exactly once, unless it merged with another one."""


class PromptPlayer:
    """``vibrate`` gets a prompt's pattern (on, off, … ms) and the time. A guarded loudspeaker does not raise: its
    ``failure`` is asked for as well."""

    def __init__(
        self,
        catalogue: Catalogue,
        voice: Voice,
        language: Language,
        speaker: Speaker | None,
        vibrate: Callable[[tuple[int, ...], int], None],
        listener: PromptListener,
        *,
        stealth: bool,
    ) -> None:
        self.stealth = stealth
        self._catalogue = catalogue
        self._voice = voice
        self._language = language
        self._speaker = speaker
        self._vibrate = vibrate
        self._listener = listener
        self._line = WaitingLine()
        self._speaking: tuple[Request, Utterance, int] | None = None
        """With the time at which the samples end."""

    @property
    def speaking(self) -> Utterance | None:
        return self._speaking[1] if self._speaking else None

    def say(self, prompt_id: str, values: Mapping[str, object], now_us: int) -> None:
        """Ask for a prompt; it begins at the next :meth:`step` that has room for it. Raises PromptValueError."""
        prompt = joining.checked(self._catalogue, prompt_id, values)
        self._drop(self._line.offer(Request(prompt, dict(values), now_us)), now_us)

    def step(self, now_us: int) -> None:
        """Call each 50-100 ms."""
        self._drop(self._line.expired(now_us), now_us)
        if self._speaking is not None:
            self._follow(now_us)
        if self._speaking is None and (request := self._line.take(now_us)) is not None:
            self._begin(request, now_us)

    def withdraw(self, ids: Collection[str], now_us: int) -> None:
        """These are not said any more, and the one that is being said ends within a word: a recording has begun."""
        self._drop(self._line.withdraw(ids), now_us)
        if self._speaking is not None and self._speaking[1].id in ids:
            self._cut(now_us, "recording")

    def set_stealth(self, on: bool, now_us: int) -> None:
        """Takes effect at once, within a word if need be."""
        self.stealth = on
        if on:
            self._cut(now_us, "stealth")

    def close(self, now_us: int) -> None:
        """The process ends: what was begun is reported, what waited is dropped."""
        self._cut(now_us, "unit-stop")
        while (request := self._line.take(now_us)) is not None:
            self._drop([(request, "unit-stop")], now_us)

    def _begin(self, request: Request, now_us: int) -> None:
        utterance = self._utterance(request, now_us)
        if request.prompt.vibration:
            self._vibrate(request.prompt.vibration, now_us)
        if self.stealth or self._speaker is None:
            self._listener.started(utterance, 0)
            self._listener.ended(utterance, now_us, "silenced", "stealth" if self.stealth else "no-speaker")
            return
        try:
            samples = self._samples(request)
            # Reported first: a power cut in the middle of a prompt must leave its beginning in the journal.
            length_us = len(samples) * 1_000_000 // RATE
            self._listener.started(utterance, length_us)
            self._speaker.play(samples, RATE)
            broken = self._speaker.failure()
            if broken is not None:
                raise broken
        except (VoiceError, DeviceError) as error:
            self._listener.ended(utterance, now_us, "failed", str(error))
            return
        self._speaking = request, utterance, now_us + length_us

    def _samples(self, request: Request) -> Sound:
        said = joining.pieces(self._catalogue, request.prompt.id, request.values, self._language)
        speech = self._voice.speak(said)
        if not request.prompt.tone:
            return speech
        return tones(request.prompt.tone) + silence(AFTER_TONE_MS) + speech

    def _follow(self, now_us: int) -> None:
        assert self._speaking is not None and self._speaker is not None
        request, utterance, end_us = self._speaking
        if not self._speaker.playing():
            self._speaking = None
            broken = self._speaker.failure()
            if broken is not None:
                # Whatever the time is: a device that hangs is given up only after the samples should have ended.
                self._listener.ended(utterance, now_us, "failed", str(broken))
            elif now_us < end_us - EARLY_US:
                self._listener.ended(utterance, now_us, "failed", "ended early")
            else:
                self._listener.ended(utterance, now_us, "spoken", "")
        elif now_us >= end_us + LATE_US:
            self._speaking = None
            self._speaker.stop()  # or it would be heard after its reported end
            self._listener.ended(utterance, now_us, "failed", STILL_PLAYING)
        elif self._line.cuts_in(request.prompt):
            self._cut(now_us, "urgent")

    def _cut(self, now_us: int, why: str) -> None:
        if self._speaking is None:
            return
        _, utterance, _ = self._speaking
        self._speaking = None
        if self._speaker is not None:
            self._speaker.stop()
        self._listener.ended(utterance, now_us, "cut", why)

    def _drop(self, dropped: list[tuple[Request, str]] | list[tuple[Request, Dropped]], now_us: int) -> None:
        for request, why in dropped:
            self._listener.ended(self._utterance(request, now_us), now_us, "dropped", why)

    def _utterance(self, request: Request, now_us: int) -> Utterance:
        words = joining.text(self._catalogue, request.prompt.id, request.values, self._language)
        return Utterance(request.prompt.id, words, self._language, request.values, now_us)
