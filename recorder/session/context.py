"""What a session is about (执法类别, 执法事项, 记录环节, 记录方式), and how it may change. Pure.

The words are the regulation's; each has an English name beside it, so that a keyboard without Chinese will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from recorder.evidence.matter import ActionKind, Matter, Mode, Stage

T = TypeVar("T", bound=str)

MODES: Final[Mapping[Mode, str]] = {"全程": "whole", "一般": "ordinary"}
STAGES: Final[Mapping[Stage, str]] = {
    "启动": "initiation",
    "调查取证": "investigation",
    "审查决定": "decision",
    "送达执行": "service",
}
KINDS: Final[Mapping[ActionKind, str]] = {
    "行政处罚": "penalty",
    "行政许可": "licence",
    "行政强制": "coercion",
    "行政检查": "inspection",
    "行政征收征用": "levy",
}


class ContextError(ValueError):
    """A word the regulation does not know; ``zh`` and ``en`` name those it does."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} {en}")
        self.zh = zh
        self.en = en


def chosen(table: Mapping[T, str], text: str, zh: str, en: str) -> T:
    """The word of ``table`` that ``text`` is, in Chinese or English. ``zh``/``en`` name the field in the ContextError."""
    wanted = text.strip().casefold()
    for word, english in table.items():
        if wanted in (word, english):
            return word
    allowed = ", ".join(f"{word} ({english})" for word, english in table.items())
    shown = text[:32]
    raise ContextError(
        f"{zh}没有“{shown}”；可用：{'、'.join(table)}", f"there is no {en} {shown!r}; allowed are {allowed}"
    )


def mode_of(text: str) -> Mode:
    """Raises ContextError."""
    return chosen(MODES, text, "记录方式", "mode")


def stage_of(text: str) -> Stage:
    """Raises ContextError."""
    return chosen(STAGES, text, "记录环节", "stage")


def kind_of(text: str) -> ActionKind:
    """Raises ContextError."""
    return chosen(KINDS, text, "执法类别", "kind")


def merged(known: Matter | None, said: Matter | None) -> Matter | None:
    """``known`` with what ``said`` says; what it leaves out stays."""
    if known is None or said is None:
        return said if known is None else known
    given = {name: value for name in Matter.model_fields if (value := getattr(said, name)) is not None}
    return known.model_copy(update=given)


def lowers(now: Mode, wanted: Mode | None) -> bool:
    """全程 asks for a reason to stop; who could make it 一般 on the way would need none."""
    return now == "全程" and wanted == "一般"
