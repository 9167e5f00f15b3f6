"""Cells and tables of the report as HTML. Everything that comes from the evidence is escaped here or by the caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from recorder.evidence import formatting


def table(title_zh: str, title_en: str, head: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]]) -> str:
    """``rows``: cells as HTML, already escaped. Nothing for no rows."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return ""
    cells = "".join(f"<th>{escape(zh)} <em>{escape(en)}</em></th>" for zh, en in head)
    title = f"<h3>{escape(title_zh)} <em>{escape(title_en)}</em></h3>"
    return f"{title}<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def code(text: str | None) -> str:
    return f"<code>{escape(text)}</code>" if text else "—"


def time(seconds: float | None) -> str:
    return escape(formatting.wall(seconds)) if seconds is not None else "—"


def both(pair: tuple[str, str]) -> str:
    return f"{escape(pair[0])} <em>{escape(pair[1])}</em>"
