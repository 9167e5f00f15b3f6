"""经过: the account of what happened, day by day, as the report shows it."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from itertools import groupby

from recorder.evidence import formatting
from recorder.evidence.verify.report import AccountLine, VaultReport


def account(vault: VaultReport) -> str:
    """HTML; nothing for a journal in which nothing happened. Every value from the evidence is escaped."""
    if not vault.account:
        return ""
    parts = ["<h3>经过 <em>what happened</em></h3>"]
    for day, lines in groupby(vault.account, key=lambda line: formatting.wall(line.at)[:10]):
        parts.append(f"<h4>{escape(day)}</h4><ol class='account'>{''.join(_items(lines))}</ol>")
    if vault.account_left_out:
        count = vault.account_left_out
        parts.append(f"<p>另有 {count} 条未列出 <em>{count} more are left out</em></p>")
    return "".join(parts)


def _items(lines: Iterator[AccountLine]) -> Iterator[str]:
    for line in lines:
        yield (
            f"<li><time>{escape(formatting.wall(line.at)[11:21])}</time> {escape(line.zh)}"
            f" <em>{escape(line.en)} <code>{line.seq}</code></em></li>"
        )
