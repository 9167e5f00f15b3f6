"""What a control command says of a session's matter, read strictly: unknown words are refused, names are sealed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recorder.evidence.base import SealedField
from recorder.evidence.matter import Matter, Mode
from recorder.session.context import ContextError, kind_of, mode_of, stage_of

MAX_TEXT = 200
MAX_DOCUMENTS = 16
FIELDS = frozenset({"mode", "stage", "kind", "item", "entrusting_agency", "documents"})


def context_of(message: dict[str, Any], seal: Callable[[object], SealedField]) -> tuple[Mode | None, Matter | None]:
    """``(mode, matter)``; None for what the command leaves out. Raises ContextError."""
    mode, stage, kind = (_text(message, name) for name in ("mode", "stage", "kind"))
    item, entrusting = _text(message, "item"), _text(message, "entrusting_agency")
    documents = message.get("documents")
    if documents is not None and not _is_list(documents):
        raise ContextError(
            f"documents 应为至多 {MAX_DOCUMENTS} 个不超过 {MAX_TEXT} 字的文书名称、文号",
            f"documents: at most {MAX_DOCUMENTS} texts of at most {MAX_TEXT} characters",
        )
    matter = Matter(
        kind=None if kind is None else kind_of(kind),
        stage=None if stage is None else stage_of(stage),
        item=None if item is None else seal(item),
        entrusting_agency=None if entrusting is None else seal(entrusting),
        documents=None if documents is None else seal(documents),
    )
    return None if mode is None else mode_of(mode), None if matter == Matter() else matter


def _text(message: dict[str, Any], name: str) -> str | None:
    value = message.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        raise ContextError(f"{name} 应为 1 至 {MAX_TEXT} 个字符", f"{name}: 1 to {MAX_TEXT} characters")
    return value.strip()


def _is_list(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_DOCUMENTS
        and all(isinstance(text, str) and 0 < len(text) <= MAX_TEXT for text in value)
    )
