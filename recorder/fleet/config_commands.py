"""``recorder fleet config push | resume | status | rollback``: configurations for many units, stage by stage."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from recorder.cli import fail, say
from recorder.evidence.desired import MAX_TOML
from recorder.evidence.encoding import sha256_b64u
from recorder.fleet import rollout as ro
from recorder.fleet.cli import settings_of, settings_option
from recorder.fleet.rollout import Criteria, Ended, Plan, Rollout
from recorder.fleet.settings import FleetError, FleetSettings
from recorder.fleet.units_commands import in_group, moment, rollout_files, state_option, table
from recorder.fleet.versions import as_table, newest_reported, next_version

if TYPE_CHECKING:
    from recorder.fleet.rollout_files import RolloutFiles
    from recorder.fleet.rollout_run import Runner

POLL_S: Final = 2.0
STORE_STATE: Final = "fleet/v1/store/state"
"""A session listens to something; what units answer is asked of the store."""
_CRITERIA: Final = {"refused": "refused", "rolled-back": "rolled_back", "silent": "silent", "faulty": "faulty"}

wait_option = click.option("--wait", is_flag=True, help="执行到底 stay until it is over")
poll_option = click.option(
    "--poll", "poll_s", type=click.FloatRange(0.1, 3600), default=POLL_S, help="询问间隔（秒） seconds between looks"
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON 输出 as JSON")


@click.group("config")
def config_group() -> None:
    """远程下发配置 · configurations from afar."""


@config_group.command("push")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--units", "named", help="设备编号，逗号分隔 units, separated by commas")
@click.option("--group", help="该分组的设备 the units of this group")
@click.option("--all", "everybody", is_flag=True, help="存储所知的全部设备 every unit the store knows")
@click.option("--percent", default="100", help="各阶段的百分比 stages, e.g. 5,25,100")
@click.option(
    "--soak", "soak_s", type=click.FloatRange(0), default=300.0, help="每阶段观察（秒） seconds well in each stage"
)
@click.option(
    "--silent-after",
    "silent_s",
    type=click.FloatRange(1),
    default=900.0,
    help="多久（秒）无消息为无应答 seconds of silence",
)
@click.option(
    "--abort-if",
    "criteria",
    default="refused=0,rolled-back=0,silent=10,faulty=10",
    help="超过这些百分比即中止 abort above these percentages",
)
@click.option("--take-back/--keep", default=True, help="中止时撤回已下发的 take back what was sent when aborting")
@wait_option
@poll_option
@json_option
@settings_option
@state_option
def push_command(
    file: Path,
    named: str | None,
    group: str | None,
    everybody: bool,
    percent: str,
    soak_s: float,
    silent_s: float,
    criteria: str,
    take_back: bool,
    wait: bool,
    poll_s: float,
    as_json: bool,
    settings_file: Path | None,
    state_folder: Path | None,
) -> None:
    """分阶段下发 FILE（一层 TOML；空文件撤销下发层）· roll FILE out, a layer in TOML; an empty one takes the layer away.

    不带 --wait 只下发第一阶段，之后 `config resume` 继续 without --wait only the first stage is sent.

    退出码 exit: 0 完成或进行中 done, or going on · 1 已中止或文件有误 aborted, or FILE is in error · 2 无法执行 cannot.
    """
    settings, files = settings_of(settings_file), rollout_files(state_folder)
    toml = _checked(file)
    try:
        summaries = list(_store(settings).units())
        chosen = _chosen(summaries, named, group, everybody)
        rollout_id = f"{file.stem.lower()[:24]}-{secrets.token_hex(3)}"
        rollout_id = "".join(each if each.isascii() and each.isalnum() else "-" for each in rollout_id)
        said = {str(each["unit_id"]): each for each in summaries}
        versions = _versions(files, said, chosen)
        plan = Plan(
            rollout_id=rollout_id,
            created_at=_clock().wall_us() / 1e6,
            digest=sha256_b64u(toml.encode("utf-8")),
            toml=toml,
            units=ro.order(rollout_id, chosen),
            percent=_percent(percent),
            soak_s=soak_s,
            silent_s=silent_s,
            abort_if=_criteria(criteria),
            take_back=take_back,
        )
        texts = files.texts()
        rollout = ro.begin(plan, versions, {unit_id: _before(said.get(unit_id, {}), texts) for unit_id in chosen})
        unknown = ro.unknown_before(rollout.members)
        if unknown and take_back:
            click.echo(
                say(
                    f"注意：{len(unknown)} 台设备现行的下发层不是由此处下发的，无法撤回：{' '.join(unknown[:10])}",
                    f"note: {len(unknown)} units have a layer nobody here sent and cannot be taken back: "
                    f"{' '.join(unknown[:10])}",
                ),
                err=True,
            )
        files.save(rollout)
        _carry_out(settings, files, rollout, wait=wait, poll_s=poll_s, as_json=as_json)
    except FleetError as error:
        fail(error.zh, error.en)


@config_group.command("resume")
@click.argument("rollout_id", metavar="ROLLOUT", required=False)
@wait_option
@poll_option
@json_option
@settings_option
@state_option
def resume_command(
    rollout_id: str | None,
    wait: bool,
    poll_s: float,
    as_json: bool,
    settings_file: Path | None,
    state_folder: Path | None,
) -> None:
    """继续一项下发任务 · go on with a roll-out (default: the newest). 退出码 exit: as push."""
    settings, files = settings_of(settings_file), rollout_files(state_folder)
    try:
        rollout = files.load(rollout_id) if rollout_id else files.newest()
        _carry_out(settings, files, rollout, wait=wait, poll_s=poll_s, as_json=as_json)
    except FleetError as error:
        fail(error.zh, error.en)


@config_group.command("rollback")
@click.argument("rollout_id", metavar="ROLLOUT", required=False)
@wait_option
@poll_option
@json_option
@settings_option
@state_option
def rollback_command(
    rollout_id: str | None,
    wait: bool,
    poll_s: float,
    as_json: bool,
    settings_file: Path | None,
    state_folder: Path | None,
) -> None:
    """撤回一项下发任务：各设备恢复到此前的下发层（以更高的版本）· take a roll-out back, with a higher version.

    退出码 exit: 0 已撤回或进行中 taken back, or going on · 1 有设备无法撤回 some cannot be · 2 无法执行 cannot.
    """
    settings, files = settings_of(settings_file), rollout_files(state_folder)
    try:
        rollout = files.load(rollout_id) if rollout_id else files.newest()
        why = Ended(code="admin", zh="管理员撤回", en="taken back by the admin")
        said = {str(each["unit_id"]): each for each in _store(settings).units()}
        versions = _versions(files, said, [member.unit_id for member in rollout.members])
        rollout = ro.abort(rollout, why, take_back=True, back_versions=versions)
        files.save(rollout)
        _carry_out(settings, files, rollout, wait=wait, poll_s=poll_s, as_json=as_json, wanted="aborted")
    except FleetError as error:
        fail(error.zh, error.en)


@config_group.command("status")
@click.argument("rollout_id", metavar="ROLLOUT", required=False)
@json_option
@state_option
def status_command(rollout_id: str | None, as_json: bool, state_folder: Path | None) -> None:
    """下发任务：全部，或其中一项 · every roll-out, or one of them, unit by unit.

    退出码 exit: 0 · 1 该任务已中止 it was aborted · 2 没有该任务 there is none.
    """
    files = rollout_files(state_folder)
    try:
        if rollout_id is None:
            _print_all(files.all(), as_json)
            return
        rollout = files.load(rollout_id)
    except FleetError as error:
        fail(error.zh, error.en)
    if as_json:
        click.echo(rollout.model_dump_json(indent=2))
    else:
        _print(rollout)
        rows = [
            [
                each.unit_id,
                str(each.version),
                each.state,
                " ".join(each.new_faults) or "–",
                moment(each.sent_at),
                moment(each.applied_at),
            ]
            for each in rollout.members
        ]
        titles = [
            ("设备", "unit"),
            ("版本", "version"),
            ("状态", "state"),
            ("新故障", "new faults"),
            ("下发", "sent"),
            ("生效", "applied"),
        ]
        table([say(*title) for title in titles], rows)
    raise SystemExit(1 if rollout.phase in ("aborting", "aborted") else 0)


# --- carrying out ----------------------------------------------------------------------------------------------------


def _carry_out(
    settings: FleetSettings,
    files: RolloutFiles,
    rollout: Rollout,
    *,
    wait: bool,
    poll_s: float,
    as_json: bool,
    wanted: str = "done",
) -> None:
    """Exits 1 when it ended otherwise than wanted."""
    from recorder.fleet.connection import FleetConnection, real_link

    clock = _clock()
    never = threading.Event()
    link = real_link(settings, clock, (STORE_STATE,))
    patience_s = settings.file.broker.connect_timeout_s
    with files.alone(rollout.plan.rollout_id), FleetConnection(link, clock, patience_s) as connection:
        runner = _runner(settings, files, connection.publish, as_json=as_json)
        rollout = runner.run(rollout, poll_s, lambda seconds: wait and not never.wait(seconds))
    if as_json:
        click.echo(rollout.model_dump_json(indent=2))
    elif rollout.phase in ("running", "aborting"):
        rollout_id = rollout.plan.rollout_id
        click.echo(
            say(
                f"继续：recorder fleet config resume {rollout_id} --wait",
                f"go on: recorder fleet config resume {rollout_id} --wait",
            )
        )
    over = rollout.phase in ("done", "aborted")
    bad = over and (rollout.phase != wanted or (wanted == "aborted" and _kept(rollout)))
    raise SystemExit(1 if bad else 0)


def _kept(rollout: Rollout) -> bool:
    """Some unit still has what was to be taken back."""
    return any(member.state in ("sent", "pending", "applied", "silent") for member in rollout.members)


def _runner(settings: FleetSettings, files: RolloutFiles, publish: Any, *, as_json: bool) -> Runner:
    from recorder.fleet.rollout_run import Runner
    from recorder.fleet.signing import load_command_key

    signer = load_command_key(settings.command_key)
    told = (lambda _: None) if as_json else _print
    store = _store(settings)
    return Runner(_clock(), signer, store.units, files.save, publish, told)


def _store(settings: FleetSettings) -> Any:
    from recorder.fleet.store import StoreReader, real_client

    return StoreReader(real_client(settings, _clock()))


def _clock() -> Any:
    from recorder.loading import system_clock

    return system_clock()


# --- what was asked --------------------------------------------------------------------------------------------------


def _checked(file: Path) -> str:
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


def _chosen(summaries: list[dict[str, Any]], named: str | None, group: str | None, everybody: bool) -> list[str]:
    if sum((named is not None, group is not None, everybody)) != 1:
        raise FleetError("需要 --units、--group、--all 之一", "one of --units, --group, --all is needed")
    if named is not None:
        chosen = [part.strip() for part in named.split(",") if part.strip()]
    else:
        chosen = [str(each["unit_id"]) for each in summaries if in_group(each, group)]
    if not chosen:
        raise FleetError("没有这样的设备", "there is no such unit")
    return chosen


def _percent(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or any(not 0 < each <= 100 for each in found) or list(found) != sorted(set(found)):
        raise FleetError(f"--percent {text}：应为递增的百分比", f"--percent {text}: rising percentages are needed")
    return found


def _criteria(text: str) -> Criteria:
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


def _versions(files: RolloutFiles, said: dict[str, dict[str, Any]], units: Iterable[str]) -> dict[str, int]:
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


def _before(summary: dict[str, Any], texts: dict[str, str]) -> str | None:
    layer = as_table(as_table(summary.get("reported")).get("layer"))
    return "" if not layer.get("version") else texts.get(str(layer.get("digest")))


# --- showing ---------------------------------------------------------------------------------------------------------


def _print(rollout: Rollout) -> None:
    plan = rollout.plan
    told = ", ".join(f"{state} {count}" for state, count in ro.counts(rollout).items())
    stage = f"{rollout.stage + 1}/{len(plan.percent)}"
    click.echo(
        say(
            f"{plan.rollout_id}  版本 {_span(rollout)}  {rollout.phase}  阶段 {stage}  {told}",
            f"{plan.rollout_id}  version {_span(rollout)}  {rollout.phase}  stage {stage}  {told}",
        )
    )
    if rollout.why is not None:
        click.echo(f"  {say(rollout.why.zh, rollout.why.en)}")


def _span(rollout: Rollout) -> str:
    """Units may have it under versions of their own."""
    versions = sorted({member.version for member in rollout.members})
    return f"{versions[0]}" if len(versions) == 1 else f"{versions[0]}–{versions[-1]}"


def _print_all(rollouts: Iterable[Rollout], as_json: bool) -> None:
    if as_json:
        told = [
            {
                "rollout_id": each.plan.rollout_id,
                "created_at": each.plan.created_at,
                "versions": sorted({member.version for member in each.members}),
                "phase": each.phase,
                "stage": each.stage,
                "counts": ro.counts(each),
            }
            for each in rollouts
        ]
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for each in rollouts:
        _print(each)
