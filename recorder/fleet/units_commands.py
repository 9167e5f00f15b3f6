"""``recorder fleet units | show``: what the store last heard of the agency's units."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import click

from recorder.cli import say
from recorder.fleet.cli import settings_option
from recorder.fleet.delta import delta
from recorder.fleet.desk import open_desk, state_option
from recorder.fleet.rollout_files import RolloutFiles
from recorder.fleet.words import fault_words, state_word

BEIJING: Final = timezone(timedelta(hours=8))


@click.command("units")
@click.option("--group", help="只列出该分组 of this group only")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@settings_option
def units_command(group: str | None, as_json: bool, settings_file: Path | None) -> None:
    """设备一览 · every unit the store has heard of.

    退出码 exit: 0 · 2 无法询问存储 the store cannot be asked.
    """
    with open_desk(settings_file) as desk:
        units = [each for each in desk.store.units() if in_group(each, group)]
    if as_json:
        click.echo(json.dumps(units, ensure_ascii=False, indent=2))
        return
    titles = (
        ("设备", "unit"),
        ("在线", "online"),
        ("录制", "recording"),
        ("程序版本", "version"),
        ("配置", "configuration"),
        ("故障", "faults"),
        ("最近消息", "last heard"),
    )
    table([say(*title) for title in titles], [unit_row(each) for each in units])


@click.command("show")
@click.argument("unit_id", metavar="UNIT")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@settings_option
@state_option
def show_command(unit_id: str, as_json: bool, settings_file: Path | None, state_folder: Path | None) -> None:
    """一台设备：配置、差异、错误、故障 · one unit: configuration, what differs, errors, faults.

    退出码 exit: 0 与所下发的一致 as desired · 1 有差异或被拒绝 it differs · 2 无法询问存储 the store cannot be asked.
    """
    with open_desk(settings_file, state_folder) as desk:
        unit = desk.store.unit(unit_id)
        differing = differences(unit_id, (unit.get("reported") or {}).get("message"), desk.files)
    message = (unit.get("reported") or {}).get("message") or {}
    if as_json:
        click.echo(json.dumps({**unit, "delta": differing}, ensure_ascii=False, indent=2))
    else:
        print_unit(unit_id, unit, message, differing)
    raise SystemExit(1 if differing or message.get("state") in ("refused", "rolled-back") else 0)


def in_group(summary: dict[str, Any], group: str | None) -> bool:
    return group is None or group in ((summary.get("reported") or {}).get("groups") or ())


def differences(unit_id: str, reported: dict[str, Any] | None, files: RolloutFiles) -> list[str] | None:
    """Keys in which the unit is not as this admin's newest roll-out for it wants it; None: there was none."""
    texts = files.texts()
    wanted = None
    for rollout in files.all():
        for member in rollout.members:
            if member.unit_id != unit_id or member.state == "waiting":
                continue
            back = member.state in ("taking-back", "taken-back")
            wanted = member.before if back else rollout.plan.toml
    if wanted is None:
        return None
    said = reported or {}
    layer = said.get("layer") or {}
    has = "" if not layer.get("version") else texts.get(str(layer.get("digest")))
    return list(delta(wanted, has, tuple(said.get("waiting") or ()), tuple(said.get("covered") or ())))


def table(titles: list[str], rows: list[list[str]]) -> None:
    """Columns of equal width; a Chinese character takes two."""
    widths = [max(map(_width, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def moment(seconds: float | None) -> str:
    return "–" if seconds is None else datetime.fromtimestamp(seconds, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


def _width(text: str) -> int:
    return sum(2 if "⺀" <= character <= "￦" else 1 for character in text)


def unit_row(unit: dict[str, Any]) -> list[str]:
    reported = unit.get("reported") or {}
    configuration = f"{reported['version']} {state_word(reported['state'])}" if reported.get("version") else "–"
    if reported.get("probation"):
        configuration += say("（考察期）", " (probation)")
    return [
        str(unit["unit_id"]),
        say("是", "yes") if unit.get("online") else say("否", "no"),
        say("是", "yes") if unit.get("recording") else say("否", "no"),
        str(unit.get("version") or "–"),
        configuration,
        fault_words(unit.get("faults") or ()) or "–",
        moment(unit.get("seen_at")),
    ]


def print_unit(unit_id: str, unit: dict[str, Any], said: dict[str, Any], differing: list[str] | None) -> None:
    click.echo(f"{unit_id}  {say('在线', 'online') if unit.get('online') else say('离线', 'offline')}")
    layer = said.get("layer") or {}
    why = said.get("why")
    rejected = said.get("rejected")
    for title, text in (
        (say("配置版本", "version"), f"{said.get('version', 0)}  {state_word(said.get('state', '–'))}"),
        (say("现行的下发层", "layer in force"), str(layer.get("version", 0))),
        (say("生效配置摘要", "digest in force"), str(said.get("effective", "–"))),
        (say("原因", "why"), say(why["zh"], why["en"]) if why else ""),
        (say("尚未生效", "waiting"), " ".join(said.get("waiting") or ())),
        (say("被上层覆盖", "covered"), " ".join(said.get("covered") or ())),
        (say("与所下发的差异", "differs"), " ".join(differing or ())),
        (
            say("最近拒收", "rejected"),
            f"{rejected['version']}: {say(rejected['zh'], rejected['en'])}" if rejected else "",
        ),
        (say("故障", "faults"), fault_words(unit.get("faults") or ())),
        (say("分组", "groups"), " ".join(said.get("groups") or ())),
        (say("最近消息", "last heard"), moment(unit.get("seen_at"))),
    ):
        if text:
            click.echo(f"  {title}: {text}")
    for error in said.get("errors") or ():
        click.echo(
            f"  {error['file']}:{error['line']}:{error['column']}: {error['key']}: {say(error['zh'], error['en'])}"
        )
