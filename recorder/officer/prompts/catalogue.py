"""The prompt catalogue 语音提示目录: what can be said, in which languages, with which values. Pure.

One TOML file (``config/prompts/catalogue.toml``). It ships with the program, so a wrong one is a broken package; it is
refused whole, with every problem named by file, line and key.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from recorder.config.locations import Parsed, TomlSyntaxError, parse
from recorder.config.problems import KeyPath, Place, Problem
from recorder.officer.prompts import numerals
from recorder.officer.prompts.numerals import LANGUAGES, Language
from recorder.officer.prompts.template import TemplateError, placeholders, words

Priority = Literal["urgent", "high", "normal", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
"""Most important first. ``urgent`` cuts in."""

NUMERIC: Final = ("percent", "count", "time", "duration")
"""Kinds of values that are spoken as numbers; any other kind is the name of a table of choices."""

_REQUIRED: Final = ("zh", "en", "priority", "repeat_s", "stale_s")
_OPTIONAL: Final = ("values", "spoken_zh", "tone", "vibration")


@dataclass(frozen=True, slots=True)
class Prompt:
    """``text`` and ``spoken`` by language; ``spoken`` differs only where the synthesiser misreads a character.
    ``values``: placeholder → kind. ``tone`` in Hz, ``vibration`` in milliseconds on, off, on …"""

    id: str
    text: Mapping[Language, str]
    spoken: Mapping[Language, str]
    values: Mapping[str, str]
    tone: tuple[int, ...]
    vibration: tuple[int, ...]
    priority: Priority
    repeat_us: int
    stale_us: int

    @property
    def rank(self) -> int:
        """0 is the most important."""
        return PRIORITIES.index(self.priority)


Choices = Mapping[str, Mapping[Language, str]]
"""Key → words by language."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    prompts: Mapping[str, Prompt]
    choices: Mapping[str, Choices]

    def clauses(self, language: Language) -> dict[str, str]:
        """Every piece that must be rendered: text → what the synthesiser is given for it."""
        found = {piece: piece for piece in numerals.PIECES[language]}
        for table in self.choices.values():
            for choice in table.values():
                found |= {clause: clause for clause in words(choice[language])}
        for prompt in self.prompts.values():
            found |= dict(zip(words(prompt.text[language]), words(prompt.spoken[language]), strict=True))
        return found


class CatalogueError(Exception):
    """The catalogue cannot be used; ``problems`` in reading order, both languages."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


def parse_catalogue(text: str, source: str) -> Catalogue:
    """Raises CatalogueError. ``source`` names the file in messages."""
    try:
        parsed = parse(text)
    except TomlSyntaxError as error:
        place = Place(source, error.line, error.column)
        raise CatalogueError([Problem(place, (), f"不是有效的 TOML：{error}", f"not TOML: {error}")]) from error
    reader = _Reader(parsed, source)
    catalogue = reader.catalogue()
    if reader.problems:
        raise CatalogueError(sorted(reader.problems, key=lambda problem: problem.place.line or 0))
    return catalogue


class _Reader:
    """Collects problems; what it returns is only whole when there are none."""

    def __init__(self, parsed: Parsed, source: str) -> None:
        self.problems: list[Problem] = []
        self._parsed = parsed
        self._source = source

    def catalogue(self) -> Catalogue:
        for key in self._parsed.data:
            if key not in ("choices", "prompts"):
                self._problem((key,), "没有这个表", "no such table")
        choices = {name: self._choices(("choices", name), table) for name, table in self._tables("choices")}
        prompts = {name: self._prompt(name, table, choices) for name, table in self._tables("prompts")}
        if not prompts:
            self._problem(("prompts",), "没有任何提示", "there are no prompts")
        self._one_sound_each(prompts)
        return Catalogue(prompts, choices)

    def _tables(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        tables = self._parsed.data.get(name, {})
        if not isinstance(tables, dict):
            self._problem((name,), "应为表", "must be a table")
            return
        for key, table in tables.items():
            if isinstance(table, dict):
                yield key, table
            else:
                self._problem((name, key), "应为表", "must be a table")

    def _choices(self, path: KeyPath, table: dict[str, Any]) -> Choices:
        found: dict[str, dict[Language, str]] = {}
        for key, entry in table.items():
            where = (*path, key)
            if not isinstance(entry, dict) or set(entry) != set(LANGUAGES):
                self._problem(where, "须有且仅有 zh 和 en", "needs zh and en and nothing else")
                continue
            found[key] = {language: self._text((*where, language), entry[language]) for language in LANGUAGES}
            for language, text in found[key].items():
                if self._placeholders((*where, language), text):
                    self._problem((*where, language), "选项中不能有占位符", "a choice cannot have placeholders")
        if not found:
            self._problem(path, "没有任何选项", "there are no choices")
        return found

    def _prompt(self, name: str, table: dict[str, Any], choices: Mapping[str, Choices]) -> Prompt:
        path: KeyPath = ("prompts", name)
        for key in _REQUIRED:
            if key not in table:
                self._problem((*path, key), "缺少", "missing")
        for key in table:
            if key not in (*_REQUIRED, *_OPTIONAL):
                self._problem((*path, key), "没有这个键", "no such key")
        text = {language: self._text((*path, language), table.get(language, " ")) for language in LANGUAGES}
        values = self._values((*path, "values"), table.get("values", {}), choices)
        for language in LANGUAGES:
            self._parity((*path, language), text[language], values)
        return Prompt(
            id=name,
            text=text,
            spoken={**text, "zh": self._respelling((*path, "spoken_zh"), table, text["zh"])},
            values=values,
            tone=self._numbers((*path, "tone"), table.get("tone", ()), 8000),
            vibration=self._numbers((*path, "vibration"), table.get("vibration", ()), 2000),
            priority=self._priority((*path, "priority"), table.get("priority", "low")),
            repeat_us=self._seconds((*path, "repeat_s"), table.get("repeat_s", 0), 0),
            stale_us=self._seconds((*path, "stale_s"), table.get("stale_s", 1), 1),
        )

    def _text(self, path: KeyPath, value: object) -> str:
        if not isinstance(value, str) or not value:
            self._problem(path, "应为非空文字", "must be text and not empty")
            return ""
        return value

    def _placeholders(self, path: KeyPath, text: str) -> tuple[str, ...]:
        try:
            return placeholders(text)
        except TemplateError as error:
            self._problem(
                path, f"花括号不是占位符：{error}", f"a brace that is no placeholder ({{a-z and _}}): {error}"
            )
            return ()

    def _parity(self, path: KeyPath, text: str, values: Mapping[str, str]) -> None:
        if sorted(found := self._placeholders(path, text)) != sorted(values):
            said, declared = ", ".join(found) or "—", ", ".join(values) or "—"
            self._problem(
                path,
                f"占位符 {said} 与 values（{declared}）不一致",
                f"placeholders {said} differ from those in values: {declared}",
            )

    def _values(self, path: KeyPath, table: object, choices: Mapping[str, Choices]) -> dict[str, str]:
        if not isinstance(table, dict):
            self._problem(path, "应为表", "must be a table")
            return {}
        known = (*NUMERIC, *choices)
        for name, kind in table.items():
            if keyword.iskeyword(name) or name == "prompt_id":  # say(prompt_id, **values) must be writable
                self._problem((*path, name), "不能用作值的名称", "cannot be the name of a value")
            if kind not in known:
                self._problem(
                    (*path, name),
                    f"{kind!r}：没有这种值，可用 {', '.join(known)}",
                    f"{kind!r}: no such kind; known are {', '.join(known)}",
                )
        return {str(name): str(kind) for name, kind in table.items()}

    def _respelling(self, path: KeyPath, table: dict[str, Any], text: str) -> str:
        spoken = self._text(path, table.get("spoken_zh", text or " "))
        if self._placeholders(path, spoken) != self._placeholders((*path[:-1], "zh"), text) or len(spoken) != len(text):
            self._problem(
                path, "须与 zh 等长且占位符一致：只替换同音字", "must be as long as zh with the same placeholders"
            )
            return text
        return spoken

    def _numbers(self, path: KeyPath, value: object, most: int) -> tuple[int, ...]:
        if isinstance(value, list | tuple) and all(type(item) is int and 0 <= item <= most for item in value):
            return tuple(value)
        self._problem(path, f"应为 0–{most} 的整数列表", f"must be a list of whole numbers 0-{most}")
        return ()

    def _priority(self, path: KeyPath, value: object) -> Priority:
        for priority in PRIORITIES:
            if value == priority:
                return priority
        self._problem(
            path, f"{value!r}：应为 {', '.join(PRIORITIES)} 之一", f"{value!r}: must be one of {', '.join(PRIORITIES)}"
        )
        return "low"

    def _seconds(self, path: KeyPath, value: object, least: int) -> int:
        if type(value) is int and least <= value <= 3600:
            return value * 1_000_000
        self._problem(path, f"应为 {least}–3600 的整数秒", f"must be whole seconds, {least}-3600")
        return 0

    def _one_sound_each(self, prompts: Mapping[str, Prompt]) -> None:
        """One rendered piece for one text: two respellings of the same clause would be a matter of luck."""
        if self.problems:
            return
        heard: dict[str, str] = {}
        for prompt in prompts.values():
            for clause, sound in zip(words(prompt.text["zh"]), words(prompt.spoken["zh"]), strict=True):
                if heard.setdefault(clause, sound) != sound:
                    self._problem(
                        ("prompts", prompt.id, "spoken_zh"),
                        f"“{clause}”在别处读作“{heard[clause]}”",
                        f"{clause!r} is spoken as {heard[clause]!r} elsewhere",
                    )

    def _problem(self, path: KeyPath, zh: str, en: str) -> None:
        line, column = self._parsed.locate(path) or (None, None)
        self.problems.append(Problem(Place(self._source, line, column), path, zh, en))
