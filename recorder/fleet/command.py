"""``recorder fleet command``: sign, send, wait for the answers, say what each unit made of it."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click

from recorder.cli import fail, say
from recorder.evidence.command_texts import KINDS
from recorder.fleet.cli import settings_of, settings_option
from recorder.fleet.exchange import Report, of_unknown_unit
from recorder.fleet.orders import signed_commands
from recorder.fleet.sending import exchange
from recorder.fleet.settings import FleetError
from recorder.fleet.signing import load_command_key
from recorder.fleet.store import StoreReader, UnknownUnit, real_client
from recorder.loading import system_clock

RESULTS: Final = {
    "done": ("已执行", "done"),
    "refused": ("被拒绝", "refused"),
    "failed": ("出错", "failed"),
    "expired": ("已过期", "expired"),
    "no-answer": ("无应答", "no answer"),
}


@click.command("command")
@click.argument("units", nargs=-1, required=True, metavar="UNIT...")
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--reason", help="stop: 停止原因 why the recording ends")
@click.option("--mark", help="mark: 标记类别 kind of mark (key)")
@click.option("--name", help="sign-in: 姓名 name")
@click.option("--cert-no", help="sign-in: 执法证号 certificate number")
@click.option("--mode", help="start: 记录方式 全程 whole, 一般 ordinary")
@click.option("--stage", help="start: 记录环节")
@click.option("--matter", help="start: 执法类别")
@click.option("--item", help="start: 执法事项")
@click.option("--entrusting-agency", help="start: 委托机关")
@click.option("--document", "documents", multiple=True, help="start: 文书，可重复 repeatable")
@click.option("--session", "sessions", multiple=True, help="grant, refetch-receipt: 录制编号，可重复 repeatable")
@click.option("--segment", "segments", multiple=True, help="grant, refetch-receipt: 片段编号，可重复 repeatable")
@click.option("--hours", type=click.FloatRange(0.01, 24 * 31), help="grant: 有效小时数 for so many hours (24)")
@click.option("--metered/--no-metered", default=None, help="grant: 允许按流量计费的网络 also over a metered link")
@click.option("--wait", "wait_s", type=click.FloatRange(0.1), help="等待应答的秒数 seconds to wait for answers")
@click.option("--expires", "expires_s", type=click.FloatRange(5), help="指令有效秒数 seconds the command is good for")
@click.option("--json", "json_wanted", is_flag=True, help="JSON 输出 as JSON")
@settings_option
def command_command(
    units: tuple[str, ...],
    kind: str,
    wait_s: float | None,
    expires_s: float | None,
    json_wanted: bool,
    settings_file: Path | None,
    **options: Any,
) -> None:
    """向设备下达签名指令 · command units, signed with the agency's key.

    退出码 exit: 0 全部已执行 all done · 1 有未执行或无应答 some not done or no answer · 2 无法下达 nothing could be sent.
    """
    settings = settings_of(settings_file)
    clock = system_clock()
    defaults = settings.file.commands
    try:
        signer = load_command_key(settings.command_key)
        term_s, now_s = expires_s or defaults.expires_s, clock.wall_us() / 1e6
        commands = signed_commands(tuple(dict.fromkeys(units)), kind, options, signer, now_s, term_s)
        reports = exchange(settings, clock, commands, wait_s or defaults.answer_s)
        if settings.file.store.url and any(report.result == "no-answer" for report in reports):
            with closing(real_client(settings, clock)) as client:
                reports = looked_up(reports, StoreReader(client))
    except FleetError as error:
        fail(error.zh, error.en)
    click.echo(as_json(reports) if json_wanted else as_table(reports))
    sys.exit(0 if all(report.result == "done" for report in reports) else 1)


def looked_up(reports: Sequence[Report], store: StoreReader) -> tuple[Report, ...]:
    """What the store says of the units that did not answer. One that cannot be asked changes nothing: whether the command
    was carried out is what the admin wants to know, and that has been said; why it could not be asked goes to stderr."""
    told: list[Report] = []
    for number, report in enumerate(reports):
        try:
            if report.result == "no-answer":
                store.unit(report.command.unit_id)
        except UnknownUnit:
            report = of_unknown_unit(report)
        except FleetError as error:
            click.echo(say(f"注意：{error.zh}", f"note: {error.en}"), err=True)
            return (*told, *reports[number:])
        told.append(report)
    return tuple(told)


def as_table(reports: Sequence[Report]) -> str:
    """One line per unit: unit, result, seq of its record, words."""
    rows = [(say("设备", "unit"), say("结果", "result"), say("日志序号", "seq"), say("说明", "meaning"))]
    for report in reports:
        seq = "" if report.seq is None else str(report.seq)
        rows.append((report.command.unit_id, say(*RESULTS[report.result]), seq, say(report.zh, report.en)))
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(_padded, row, widths)).rstrip() for row in rows)


def _width(text: str) -> int:
    """Columns on a terminal: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def as_json(reports: Sequence[Report]) -> str:
    return json.dumps(
        [
            {
                "unit": report.command.unit_id,
                "command_id": report.command.command_id,
                "kind": report.command.kind,
                "expires": report.command.exp,
                "result": report.result,
                "code": report.code,
                "zh": report.zh,
                "en": report.en,
                "seq": report.seq,
            }
            for report in reports
        ],
        ensure_ascii=False,
        indent=1,
    )
