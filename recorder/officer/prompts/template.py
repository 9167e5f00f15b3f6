"""A prompt's text, taken apart: clauses of plain words, values between them, and the pauses punctuation asks for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

PAUSES_MS: Final = {
    "。": 350,
    ".": 350,
    "！": 350,
    "？": 350,
    "：": 180,
    ":": 180,
    "；": 250,
    "，": 150,
    ",": 150,
    "、": 80,
}
"""How long the voice rests at a punctuation mark. Between a clause and a value it does not."""

_PART = re.compile(r"\{([a-z_]+)\}|([。！？：；，、]|[.:,](?=\s|$))")


class TemplateError(ValueError):
    """The text has a brace that is no placeholder."""


@dataclass(frozen=True, slots=True)
class Words:
    """A run of words without punctuation: one rendered piece."""

    text: str


@dataclass(frozen=True, slots=True)
class Value:
    """A placeholder."""

    name: str


@dataclass(frozen=True, slots=True)
class Pause:
    ms: int


Part: TypeAlias = Words | Value | Pause


def parts(text: str) -> tuple[Part, ...]:
    """``text`` in the order it is spoken. Raises TemplateError."""
    found: list[Part] = []

    def add_words(words: str) -> None:
        if "{" in words or "}" in words:
            raise TemplateError(words.strip())
        if words.strip():
            found.append(Words(words.strip()))

    position = 0
    for match in _PART.finditer(text):
        add_words(text[position : match.start()])
        found.append(Value(match[1]) if match[1] else Pause(PAUSES_MS[match[2]]))
        position = match.end()
    add_words(text[position:])
    return tuple(found)


def placeholders(text: str) -> tuple[str, ...]:
    """Names of the values in ``text``, in order. Raises TemplateError."""
    return tuple(part.name for part in parts(text) if isinstance(part, Value))


def words(text: str) -> tuple[str, ...]:
    """The clauses of ``text``. Raises TemplateError."""
    return tuple(part.text for part in parts(text) if isinstance(part, Words))
