"""What is wrong with a configuration, where, in both languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""A key path: table names, then list positions (from 0)."""

Severity = Literal["error", "warning"]


def dotted(path: KeyPath) -> str:
    """``("cameras", "cam0", "width")`` as ``cameras.cam0.width``."""
    return ".".join(str(part) for part in path)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands. ``source`` is a file, ``env NAME`` or the name of a stored layer; ``line`` and ``column``
    count from 1, columns in characters; both are None where they are not known."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        if self.line is None:
            return self.source
        return f"{self.source}:{self.line}" if self.column is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. ``path`` is empty when it concerns a whole file.

    ``tolerable``: at run time the configuration is used all the same, because refusing it would only make things worse
    (one recipient still seals, none of the defaults does).
    """

    place: Place
    path: KeyPath
    zh: str
    en: str
    severity: Severity = "error"
    tolerable: bool = False

    @property
    def key(self) -> str:
        return dotted(self.path)

    def text(self, language: Literal["zh", "en"]) -> str:
        """One line as compilers print it: ``file:line:column: [warning:] key: message``."""
        warning = {"zh": "警告：", "en": "warning: "}[language] if self.severity == "warning" else ""
        key = f"{self.key}: " if self.path else ""
        return f"{self.place}: {warning}{key}{self.zh if language == 'zh' else self.en}"

    def __str__(self) -> str:
        """Both languages: for logs and for the signed ``config`` record, whose readers are not known."""
        return f"{self.text('zh')} / {self.en}"
