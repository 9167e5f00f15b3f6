"""A report as Markdown and as JSON, and the place in docs/benchmarks.md it goes to. Pure."""

from __future__ import annotations

import dataclasses
import json
from typing import Final

from tools.bench.model import Limit, Line, Report, Spread, Verdict

BEGIN: Final = "<!-- bench:begin (written by ./dev bench --write) -->"
END: Final = "<!-- bench:end -->"

HEADINGS: Final = (
    "行 row",
    "测什么 what",
    "本项目 ours",
    "对照 peer",
    "数值 value",
    "中位数（最小–最大） median (min–max)",
    "hold",
    "aim",
    "结论 verdict",
)

VERDICTS: Final[dict[Verdict, str]] = {
    "aim": "达到目标 aim",
    "hold": "合格 holds",
    "broken": "**不合格 BROKEN**",
    "info": "–",
}


def number(value: float) -> str:
    """Three significant digits, never an exponent."""
    if value == 0:
        return "0"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{digits}f}"


def quantity(value: float, unit: str) -> str:
    return f"{number(value)} {unit}".rstrip()


def _limit(limit: Limit | None, unit: str) -> str:
    return f"{'≤' if limit.op == '<=' else '≥'} {quantity(limit.value, unit)}" if limit else ""


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{number(spread.median)} ({number(spread.low)}–{number(spread.high)}), n = {spread.count}"


def _cells(line: Line) -> tuple[str, ...]:
    return (
        line.row,
        f"{line.zh} *{line.en}*",
        line.ours,
        line.peer,
        f"**{quantity(line.value, line.unit)}**",
        _spread(line.spread),
        _limit(line.hold, line.unit),
        _limit(line.aim, line.unit),
        VERDICTS[line.verdict],
    )


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def markdown(report: Report) -> str:
    """Machine, table, notes, what could not be measured."""
    out = ["| 机器 machine | |", "|---|---|"]
    out += [_row((name, value)) for name, value in report.machine]
    out.append("")
    if report.quick:
        out += ["**快速模式：数据量较小，不作定论。 Quick mode: small data, not for the record.**", ""]
    out += [_row(HEADINGS), "|---" * len(HEADINGS) + "|"]
    out += [_row(_cells(line)) for line in report.lines]
    out += [
        _row((item.row, f"{item.zh} *{item.en}*", "", "", "未测 not measured", "", "", "", item.reason))
        for item in report.missing
    ]
    notes: dict[str, None] = {}
    for line in report.lines:
        if line.note_zh:
            notes.setdefault(f"- `{line.row}`: {line.note_zh} *{line.note_en}*")
    if notes:
        out += ["", *notes]
    out += ["", f"一次运行 one run, {report.minutes:.1f} min."]
    return "\n".join(out) + "\n"


def to_json(report: Report) -> str:
    """Everything the table is made of, verdicts included."""
    lines = [{**dataclasses.asdict(line), "verdict": line.verdict} for line in report.lines]
    content = {
        "machine": dict(report.machine),
        "quick": report.quick,
        "minutes": round(report.minutes, 2),
        "lines": lines,
        "missing": [dataclasses.asdict(item) for item in report.missing],
        "broken": [line.row for line in report.broken],
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def insert(document: str, table: str) -> str:
    """``document`` with everything between the two markers replaced. Raises ValueError when they are not there."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"没有标记 markers missing: {BEGIN} … {END}")
    return f"{head}{BEGIN}\n\n{table}\n{END}{tail}"
