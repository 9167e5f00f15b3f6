"""What the admin asked to roll out, checked: FILE, the units, the stages, the criteria, the versions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from recorder.cli import fail, say
from recorder.evidence.desired import MAX_TOML
from recorder.fleet.rollout import Criteria
from recorder.fleet.rollout_files import RolloutFiles
from recorder.fleet.settings import FleetError
from recorder.fleet.units_commands import in_group
from recorder.fleet.versions import as_table, newest_reported, next_version

_CRITERIA: Final = {"refused": "refused", "rolled-back": "rolled_back", "silent": "silent", "faulty": "faulty"}


def checked(file: Path) -> str:
    """The text of FILE. What can be known here is said before anything is sent: exit 1 with file, line, key."""
    from recorder.config.check import check_pushed
    from recorder.config.layers import read_layer
    from recorder.config.paths import defaults_file
    from recorder.config.problems import Problem

    try:
        toml = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: 无法读取：{error}", f"{file}: cannot be read: {error}")
    if len(toml) > MAX_TOML:
        fail(f"{file}: 超过 {MAX_TOML} 个字符", f"{file}: longer than {MAX_TOML} characters", 1)
    defaults = read_layer(defaults_file(), "defaults")
    if isinstance(defaults, Problem):
        fail(defaults.text("zh"), defaults.text("en"))
    problems = [each for each in check_pushed(file, defaults) if each.severity == "error"]
    for problem in problems:
        click.echo(problem.text("en" if say("zh", "en") == "en" else "zh"), err=True)
    if problems:
        raise SystemExit(1)
    return toml


def chosen(summaries: list[dict[str, Any]], named: str | None, group: str | None, everybody: bool) -> list[str]:
    if sum((named is not None, group is not None, everybody)) != 1:
        raise FleetError("需要 --units、--group、--all 之一", "one of --units, --group, --all is needed")
    if named is not None:
        chosen = [part.strip() for part in named.split(",") if part.strip()]
    else:
        chosen = [str(each["unit_id"]) for each in summaries if in_group(each, group)]
    if not chosen:
        raise FleetError("没有这样的设备", "there is no such unit")
    return chosen


def percent(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or any(not 0 < each <= 100 for each in found) or list(found) != sorted(set(found)):
        raise FleetError(f"--percent {text}：应为递增的百分比", f"--percent {text}: rising percentages are needed")
    return found


def criteria(text: str) -> Criteria:
    shares: dict[str, float] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = part.partition("=")
        try:
            shares[_CRITERIA[name.strip()]] = float(value.strip().rstrip("%")) / 100
        except (KeyError, ValueError) as error:
            known = ", ".join(_CRITERIA)
            raise FleetError(
                f"--abort-if {part}：应为 名称=百分比，名称为 {known}",
                f"--abort-if {part}: NAME=PERCENT, NAME is one of {known}",
            ) from error
    try:
        return Criteria(**shares)
    except ValueError as error:
        raise FleetError(f"--abort-if {text}：0 至 100", f"--abort-if {text}: 0 to 100") from error


def versions(files: RolloutFiles, said: dict[str, dict[str, Any]], units: Iterable[str]) -> dict[str, int]:
    """What each of them is sent next. Says whose report is not believed. Raises FleetError."""
    sent, found = files.versions(), dict[str, int]()
    for unit_id in units:
        ours, theirs = sent.get(unit_id, 0), newest_reported(said.get(unit_id, {}))
        following = next_version(unit_id, ours, theirs)
        found[unit_id] = following.version
        if following.doubt is not None:
            click.echo(
                say(
                    f"注意：设备 {unit_id} 报告的版本 {theirs} 与此处下发过的 {ours} 相差过大，"
                    f"以版本 {following.version} 下发；请检查该设备",
                    f"note: unit {unit_id} reports version {theirs}, {ours} was sent from here; that does not fit, "
                    f"version {following.version} is sent; look into that unit",
                ),
                err=True,
            )
    return found


def before(summary: dict[str, Any], texts: dict[str, str]) -> str | None:
    layer = as_table(as_table(summary.get("reported")).get("layer"))
    return "" if not layer.get("version") else texts.get(str(layer.get("digest")))
