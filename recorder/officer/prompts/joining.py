"""A prompt and its values as text and as rendered pieces with pauses between them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from recorder.officer.prompts import numerals
from recorder.officer.prompts.catalogue import NUMERIC, Catalogue, Prompt
from recorder.officer.prompts.numerals import Language
from recorder.officer.prompts.template import Part, Pause, Value, Words, parts

JOINT_MS = 40
"""Between two pieces that no punctuation separates."""

WORD_MS = 10
"""Between the words of one number."""


class PromptValueError(ValueError):
    """The prompt does not exist, or its values do not fit; the message names prompt, value and what is expected."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One rendered piece and the silence after it."""

    text: str
    gap_ms: int


def checked(catalogue: Catalogue, prompt_id: str, values: Mapping[str, object]) -> Prompt:
    """The prompt, if its values fit. Raises PromptValueError."""
    prompt = catalogue.prompts.get(prompt_id)
    if prompt is None:
        raise PromptValueError(f"{prompt_id}: 没有这个提示 no such prompt")
    if set(values) != set(prompt.values):
        expected = ", ".join(sorted(prompt.values)) or "—"
        raise PromptValueError(
            f"{prompt_id}: 值应为 values must be {expected}; 得到 got {', '.join(sorted(values)) or '—'}"
        )
    for name, kind in prompt.values.items():
        problem = _problem(catalogue, kind, values[name])
        if problem:
            raise PromptValueError(f"{prompt_id}.{name} = {values[name]!r}: {problem}")
    return prompt


def text(catalogue: Catalogue, prompt_id: str, values: Mapping[str, object], language: Language) -> str:
    """The prompt as it stands in logs, records and reports. Raises PromptValueError."""
    template = checked(catalogue, prompt_id, values).text[language]
    kinds = catalogue.prompts[prompt_id].values
    return template.format_map({name: _text(catalogue, kinds[name], values[name], language) for name in values})


def pieces(catalogue: Catalogue, prompt_id: str, values: Mapping[str, object], language: Language) -> tuple[Piece, ...]:
    """The prompt as it is spoken. Raises PromptValueError."""
    prompt = checked(catalogue, prompt_id, values)
    template = parts(prompt.text[language])
    said: list[Piece] = []
    for part in template:
        if isinstance(part, Value):
            said += _spoken(catalogue, prompt.values[part.name], values[part.name], language)
        elif isinstance(part, Words):
            said.append(Piece(part.text, JOINT_MS))
        else:
            _rest(said, part)
    return tuple(said)


def _rest(said: list[Piece], pause: Pause) -> None:
    if said:
        said[-1] = Piece(said[-1].text, pause.ms)


def _choice(catalogue: Catalogue, kind: str, value: object) -> Mapping[Language, str] | None:
    """A choice is named by its key or, as the records name legal terms, by its Chinese words."""
    table = catalogue.choices[kind]
    if value in table:
        return table[str(value)]
    return next((words for words in table.values() if words["zh"] == value), None)


def _words(catalogue: Catalogue, kind: str, value: object) -> Mapping[Language, str]:
    words = _choice(catalogue, kind, value)
    assert words is not None  # checked() came first
    return words


def _problem(catalogue: Catalogue, kind: str, value: object) -> str | None:
    if kind not in NUMERIC:
        known = ", ".join(catalogue.choices[kind])
        return None if _choice(catalogue, kind, value) is not None else f"应为 must be one of {known}"
    most = {"percent": 100, "count": numerals.LARGEST, "time": 86_399, "duration": numerals.LARGEST * 3600 + 3599}[kind]
    if type(value) is not int or not 0 <= value <= most:
        return f"应为整数 must be a whole number, 0-{most}"
    return None


def _text(catalogue: Catalogue, kind: str, value: object, language: Language) -> str:
    if kind not in NUMERIC:
        return _words(catalogue, kind, value)[language]
    assert isinstance(value, int)
    if kind == "time":
        return numerals.time_text(value, language)
    if kind == "duration":
        return numerals.duration_text(value, language)
    return str(value)


def _spoken(catalogue: Catalogue, kind: str, value: object, language: Language) -> list[Piece]:
    if kind not in NUMERIC:
        return list(_clauses(parts(_words(catalogue, kind, value)[language])))
    assert isinstance(value, int)
    if kind == "time":
        spoken = numerals.time_of_day(value, language)
    elif kind == "duration":
        spoken = numerals.duration(value, language)
    else:
        spoken = numerals.number(value, language, measured=kind == "count")
    return [*(Piece(word, WORD_MS) for word in spoken[:-1]), Piece(spoken[-1], JOINT_MS)]


def _clauses(template: tuple[Part, ...]) -> Iterator[Piece]:
    said: list[Piece] = []
    for part in template:
        if isinstance(part, Words):
            said.append(Piece(part.text, JOINT_MS))
        elif isinstance(part, Pause):
            _rest(said, part)
    yield from said
