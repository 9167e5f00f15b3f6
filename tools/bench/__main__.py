"""``./dev bench [--rows a,b] [--quick] [--json] [--write]``: exit 1 when a hold of design §10 is broken or a row failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from tools.bench import machine, table
from tools.bench.model import Line, MeasurementError, Missing, Report, Unavailable
from tools.bench.rows import ROWS
from tools.bench.workshop import ROOT, Row, Workshop

DOCUMENT = ROOT / "docs" / "benchmarks.md"


def choose(names: str | None) -> list[Row]:
    """Rows by name, comma-separated; all of them for None. Raises click.BadParameter naming the unknown one."""
    if names is None:
        return list(ROWS)
    known = {row.name: row for row in ROWS}
    for name in names.split(","):
        if name not in known:
            raise click.BadParameter(f"{name}: 没有这一行 no such row; {', '.join(known)}", param_hint="--rows")
    return [known[name] for name in names.split(",")]


def take(rows: Sequence[Row], shop: Workshop) -> tuple[list[Line], list[Missing], bool]:
    """Measure row by row; one that cannot be measured never hides the others. (lines, missing, something failed)."""
    lines: list[Line] = []
    missing: list[Missing] = []
    failed = False
    for row in rows:
        shop.say(f"== {row.name}: {row.zh} {row.en} ==")
        try:
            measured = row.measure(shop)
        except Unavailable as error:
            missing.append(Missing(row.name, row.zh, row.en, str(error), error.program))
            shop.say(str(error))
            continue
        except MeasurementError as error:
            failed = True
            missing.append(Missing(row.name, row.zh, row.en, f"失败 failed: {str(error).splitlines()[0]}"))
            shop.say(str(error))
            continue
        for line in measured:
            shop.say(f"   {line.zh}: {table.quantity(line.value, line.unit)}  {table.VERDICTS[line.verdict]}")
        lines += measured
    return lines, missing, failed


def exit_code(report: Report, failed: bool, env: Mapping[str, str]) -> int:
    """1 for a broken hold or a failed row; where CI=true a missing program is a failure too: a gate left out is no gate."""
    absent = any(item.program for item in report.missing) and env.get("CI") == "true"
    return 1 if report.broken or failed or absent else 0


@click.command()
@click.option("--rows", "names", help="只测这些行，逗号分隔 only these rows, comma-separated")
@click.option("--quick", is_flag=True, help="数据量较小 smaller data; not for the record")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@click.option("--write", "write_document", is_flag=True, help="写入 write docs/benchmarks.md")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "out" / "bench",
    help="测试流与临时文件所在的磁盘 where streams are kept and files are written (default: out/bench)",
)
def main(names: str | None, quick: bool, as_json: bool, write_document: bool, cache: Path) -> None:
    """性能比 · ratios against the tools a user would use instead, in one run."""
    rows = choose(names)
    if write_document and (quick or names is not None):
        raise click.UsageError("--write 只用于完整的一次运行 takes a full run: without --rows and --quick")
    clock = SystemClock()
    cache.mkdir(parents=True, exist_ok=True)
    shop = Workshop(clock, cache.absolute(), quick, lambda text: click.echo(text, err=True))
    begin_us = clock.boottime_us()
    lines, missing, failed = take(rows, shop)
    minutes = (clock.boottime_us() - begin_us) / 60e6
    report = Report(machine.describe(shop.cache), tuple(lines), tuple(missing), quick, minutes)
    text = table.markdown(report)
    click.echo(table.to_json(report) if as_json else text, nl=False)
    if write_document:
        DOCUMENT.write_text(table.insert(DOCUMENT.read_text(encoding="utf-8"), text), encoding="utf-8")
    for line in report.broken:
        click.echo(f"不合格 hold broken: {line.row}: {line.zh} {table.quantity(line.value, line.unit)}", err=True)
    sys.exit(exit_code(report, failed, os.environ))


if __name__ == "__main__":
    main()
