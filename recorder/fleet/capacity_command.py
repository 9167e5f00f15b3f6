"""``recorder fleet capacity``: whether the fleet will make its deadlines, for admins and their monitoring."""

from __future__ import annotations

import json
import math
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, BinaryIO

import click

from recorder.cli import fail, say
from recorder.fleet.capacity import Capacity, CapacityInputError, capacity, read_units
from recorder.fleet.cli import settings_of, settings_option
from recorder.fleet.settings import FleetError
from recorder.loading import system_clock

MAKES_IT, WILL_NOT, CANNOT_TELL = 0, 1, 2
SHOWN = 20
_CHINA = timezone(timedelta(hours=8))


@click.command("capacity")
@click.option(
    "--units",
    "source",
    type=click.File("rb"),
    help="设备及其待传量（JSON），- 为标准输入；不填则询问存储 units and their backlogs as JSON, - for standard input; "
    "without it the store is asked",
)
@click.option("--rate", "rate_mbps", type=float, required=True, help="存储接收速率（MB/s） what the store takes, MB/s")
@click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")
@settings_option
def capacity_command(source: BinaryIO | None, rate_mbps: float, as_json: bool, settings_file: Path | None) -> None:
    """能否赶上储存时限 · whether the fleet will make its deadlines (art. 24).

    退出码 exit: 0 赶得上 makes it · 1 赶不上 will not · 2 无法判断 cannot tell.
    """
    if not (math.isfinite(rate_mbps) and rate_mbps > 0):
        fail("--rate: 必须大于 0", "--rate: must be above 0", CANNOT_TELL)
    if source is not None and settings_file is not None:
        fail("--units 与 --settings 只能用其一", "--units or --settings, not both", CANNOT_TELL)
    name, value = _of_store(settings_file) if source is None else _of_file(source)
    try:
        units = read_units(value)
    except CapacityInputError as error:
        fail(f"{name}: {error}", f"{name}: {error}", CANNOT_TELL)
    now = system_clock().wall_us() / 1e6
    result = capacity(units, now, rate_mbps * 1e6)
    click.echo(json.dumps(as_members(result, now), ensure_ascii=False, indent=1) if as_json else text(result, now))
    sys.exit(MAKES_IT if result.answer == "makes-it" else WILL_NOT)


def _of_file(source: BinaryIO) -> tuple[str, Any]:
    """Its name and what it holds; exit 2 when that is not JSON."""
    name = getattr(source, "name", "-")
    try:
        return name, json.loads(source.read())
    except (ValueError, RecursionError) as error:
        fail(f"{name}: 不是 JSON：{error}", f"{name}: not JSON: {error}", CANNOT_TELL)


def _of_store(settings_file: Path | None) -> tuple[str, Any]:
    """The store's address and every unit it has heard of; exit 2 when it cannot be asked."""
    from recorder.fleet.store import StoreReader, real_client

    settings = settings_of(settings_file)
    try:
        with closing(real_client(settings, system_clock())) as client:
            return f"{settings.file.store.url}/fleet/units", list(StoreReader(client).units())
    except FleetError as error:
        fail(error.zh, error.en, CANNOT_TELL)


def as_members(result: Capacity, now: float) -> dict[str, object]:
    """Infinite values are null: JSON has none."""
    return {
        "answer": result.answer,
        "units": result.units,
        "bytes": result.bytes,
        "rate": result.rate,
        "needed_rate": _finite(result.needed_rate),
        "slack_s": _finite(result.slack_s),
        "done_in_s": round(result.done_at - now, 3),
        "late": [
            {
                "unit_id": late.unit_id,
                "bytes": late.bytes,
                "deadline": late.deadline,
                "done_at": round(late.done_at, 3),
                "cause": late.cause,
            }
            for late in result.late
        ],
    }


def _finite(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def text(result: Capacity, now: float) -> str:
    total, rate = result.bytes / 1e9, result.rate / 1e6
    lines = [
        say(
            f"{result.units} 台设备待传 {total:.1f} GB，按 {rate:.1f} MB/s 需 {_hours(result.done_at - now)}",
            f"{result.units} units have {total:.1f} GB to send: {_hours(result.done_at - now)} at {rate:.1f} MB/s",
        )
    ]
    if result.answer == "makes-it":
        spare = _hours(result.slack_s) if math.isfinite(result.slack_s) else say("没有时限", "no deadline runs")
        lines.append(say(f"赶得上，最少余量 {spare}", f"It makes every deadline; least time to spare: {spare}"))
        return "\n".join(lines)
    needed = f"{result.needed_rate / 1e6:.1f} MB/s" if math.isfinite(result.needed_rate) else "–"
    lines.append(
        say(
            f"赶不上：{len(result.late)} 台设备将超过储存时限（第二十四条），需要 {needed}",
            f"It will not: {len(result.late)} units will miss the 24 hours of art. 24; {needed} would be needed",
        )
    )
    for late in result.late[:SHOWN]:
        behind = _hours(late.done_at - late.deadline)
        cause = say("本机线路", "its own line") if late.cause == "unit" else say("存储速率", "the store's rate")
        lines.append(f"  {late.unit_id}  {_time(late.deadline)}  +{behind}  {late.bytes / 1e9:.2f} GB  {cause}")
    if len(result.late) > SHOWN:
        lines.append(say(f"  另有 {len(result.late) - SHOWN} 台", f"  and {len(result.late) - SHOWN} more"))
    return "\n".join(lines)


def _hours(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(_CHINA).strftime("%m-%d %H:%M")
