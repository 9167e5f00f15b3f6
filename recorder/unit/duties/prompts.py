"""语音提示: says what the other duties ask for, and signs that it did, so that nobody mistakes it for a sound of the scene.

Two records a prompt: ``prompt-begun`` when it begins (a power cut in the middle leaves at least that) and ``prompt`` with
beginning, end and outcome. In stealth mode (静默模式) nothing is heard; the records are the same.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from recorder.config.models import RecorderConfig
from recorder.config.paths import shipped_dir
from recorder.evidence.journal_loader import Finding
from recorder.evidence.records import Event, Record, SessionStart
from recorder.evidence.state import JournalState
from recorder.officer.prompts.catalogue import CatalogueError, parse_catalogue
from recorder.officer.prompts.joining import PromptValueError
from recorder.officer.prompts.player import Outcome, PromptPlayer, Utterance
from recorder.officer.prompts.voice import Voice
from recorder.unit.control_socket import refusal
from recorder.unit.duty import Answer, Command, Duty, UnitServices

log = logging.getLogger("recorder.unit")

MARGIN_US: Final = 500_000
"""Sound so close to a prompt of our own is not taken for somebody's voice (echo, buffers of the devices)."""

REMEMBERED: Final = 64
"""Prompts whose intervals are kept for the speech analysis; a quarter of an hour of uninterrupted talk."""


POWER_ON: Final = frozenset({"ready", "self-test-failed"})
"""Said after power on and never beside a recording."""


class PromptDesk(Duty):
    """``folder`` has ``catalogue.toml`` and ``voices/``; the shipped one by default."""

    name = "prompts"

    def __init__(self, services: UnitServices, folder: Path | None = None) -> None:
        super().__init__(services)
        self._folder = folder or shipped_dir() / "prompts"
        self._player: PromptPlayer | None = None
        self._played: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._expected_end_us = 0

    def started(self, before: JournalState) -> None:
        parts = self._unit.p
        path = self._folder / "catalogue.toml"
        try:
            catalogue = parse_catalogue(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError, CatalogueError) as error:
            # A broken package: the unit records without a voice, and says so in the journal.
            zh, en = f"语音提示目录无法使用：{error}", f"the prompt catalogue cannot be used: {error}"
            self._unit.found(Finding("prompts-unusable", zh, en, path.name))
            return
        language, speaker = parts.config.device.language, parts.board.speaker
        self._player = PromptPlayer(
            catalogue,
            Voice(self._folder / "voices" / language),
            language,
            speaker,
            parts.indicators.vibrate,
            _Journal(self),
            stealth=parts.config.prompts.stealth,
        )
        parts.indicators.silent = self._player.stealth
        self._unit.set_voice(self._say)

    def commands(self) -> Mapping[str, Command]:
        return {"stealth": self._stealth}

    def observe(self, record: Record) -> None:
        if isinstance(record, SessionStart) and self._player is not None:
            self._player.withdraw(POWER_ON, self._unit.now_us())

    def tick(self, now_us: int) -> None:
        if self._player is not None:
            self._player.step(now_us)

    def close(self) -> None:
        if self._player is not None:
            self._player.close(self._unit.now_us())

    def own_sound(self, now_us: int) -> list[tuple[int, int]]:
        """Intervals (boot-time µs, begin and end) in which the unit itself was heard, :data:`MARGIN_US` on both sides
        included, oldest first; a prompt that is being spoken ends when its samples do. For the analysis of speech."""
        played = list(self._played)
        if self._player is not None and (utterance := self._player.speaking) is not None:
            played.append((utterance.from_us, max(now_us, self._expected_end_us)))
        return [(begin - MARGIN_US, end + MARGIN_US) for begin, end in played]

    def _say(self, prompt_id: str, **values: object) -> None:
        now = self._unit.now_us()
        try:
            if self._player is not None:
                self._player.say(prompt_id, values, now)
        except (
            PromptValueError
        ) as error:  # a mistake in this program: the officer was not told something, which is a fact
            log.error("prompt.values", extra={"fields": {"prompt": prompt_id, "error": str(error)}})
            detail = {"id": prompt_id, "from_us": now, "to_us": now, "outcome": "failed", "why": str(error)}
            self._unit.write(Event(event="prompt", at_us=now, detail=detail))

    def _stealth(self, message: dict[str, Any]) -> Answer:
        on = message.get("on")
        if not isinstance(on, bool):
            return refusal("bad-stealth", "on 应为 true 或 false", "on must be true or false")
        if self._player is None:
            return refusal("no-prompts", "语音提示不可用", "there are no prompts")
        now = self._unit.now_us()
        if on != self._player.stealth:
            self._player.set_stealth(on, now)
            self._unit.p.indicators.silent = on
            self._unit.write(Event(event="stealth-on" if on else "stealth-off", at_us=now, detail={}))
            self._unit.say("stealth-on" if on else "stealth-off")
        return {"ok": True, "stealth": on}

    def reconfigured(self, before: RecorderConfig) -> None:
        stealth = self._unit.p.config.prompts.stealth
        if stealth != before.prompts.stealth:  # else what an officer has chosen since stands
            self._stealth({"on": stealth})

    def begun(self, utterance: Utterance, length_us: int) -> None:
        self._expected_end_us = utterance.from_us + length_us
        if length_us:  # what is not heard cannot be mistaken for anything
            detail = {**_detail(utterance), "expected_to_us": self._expected_end_us}
            self._unit.write(Event(event="prompt-begun", at_us=utterance.from_us, detail=detail))

    def over(self, utterance: Utterance, to_us: int, outcome: Outcome, why: str) -> None:
        if to_us > utterance.from_us:
            self._played.append((utterance.from_us, to_us))
        detail = {**_detail(utterance), "to_us": to_us, "outcome": outcome} | ({"why": why} if why else {})
        self._unit.write(Event(event="prompt", at_us=to_us, detail=detail))
        log.info("prompt", extra={"fields": detail})


class _Journal:
    """``player.PromptListener``."""

    def __init__(self, desk: PromptDesk) -> None:
        self._desk = desk

    def started(self, utterance: Utterance, length_us: int) -> None:
        self._desk.begun(utterance, length_us)

    def ended(self, utterance: Utterance, to_us: int, outcome: Outcome, detail: str) -> None:
        self._desk.over(utterance, to_us, outcome, detail)


def _detail(utterance: Utterance) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "text": utterance.text,
        "language": utterance.language,
        "from_us": utterance.from_us,
    }
