"""``recorder fleet config push | resume | status | rollback``: configurations for many units, stage by stage."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path
from typing import Any, Final

import click

from recorder.cli import fail, say
from recorder.evidence.encoding import sha256_b64u
from recorder.fleet import rollout as ro
from recorder.fleet.cli import settings_option
from recorder.fleet.config_request import before, checked, chosen, criteria, percent, versions
from recorder.fleet.config_show import print_all, print_members, print_rollout
from recorder.fleet.desk import Desk, open_desk, rollout_files, state_option
from recorder.fleet.rollout import Ended, Plan, Rollout
from recorder.fleet.settings import FleetError

POLL_S: Final = 2.0
WITHOUT_RESULT: Final = 3
STORE_STATE: Final = "fleet/v1/store/state"
"""A session listens to something; what units answer is asked of the store."""

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
@click.option("--percent", "stages", default="100", help="各阶段的百分比 stages, e.g. 5,25,100")
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
    "--result-within",
    "result_s",
    type=click.FloatRange(1),
    default=ro.RESULT_S,
    show_default=True,
    help="等待结果多久（秒），之后不再等待 so long a result is waited for, seconds",
)
@click.option(
    "--abort-if",
    "limits",
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
    stages: str,
    soak_s: float,
    silent_s: float,
    result_s: float,
    limits: str,
    take_back: bool,
    wait: bool,
    poll_s: float,
    as_json: bool,
    settings_file: Path | None,
    state_folder: Path | None,
) -> None:
    """分阶段下发 FILE（一层 TOML；空文件撤销下发层）· roll FILE out, a layer in TOML; an empty one takes the layer away.

    不带 --wait 只下发第一阶段，之后 `config resume` 继续 without --wait only the first stage is sent.

    退出码 exit: 0 完成或进行中 done, or going on · 1 已中止或文件有误 aborted, or FILE is in error · 2 无法执行 cannot ·
    3 已结束，有设备尚无结果 over, some units without a result.
    """
    toml = checked(file)
    with open_desk(settings_file, state_folder) as desk:
        summaries = list(desk.store.units())
        units = chosen(summaries, named, group, everybody)
        rollout_id = f"{file.stem.lower()[:24]}-{secrets.token_hex(3)}"
        rollout_id = "".join(each if each.isascii() and each.isalnum() else "-" for each in rollout_id)
        said = {str(each["unit_id"]): each for each in summaries}
        plan = Plan(
            rollout_id=rollout_id,
            created_at=desk.clock.wall_us() / 1e6,
            digest=sha256_b64u(toml.encode("utf-8")),
            toml=toml,
            units=ro.order(rollout_id, units),
            percent=percent(stages),
            soak_s=soak_s,
            silent_s=silent_s,
            result_s=result_s,
            abort_if=criteria(limits),
            take_back=take_back,
        )
        texts = desk.files.texts()
        had = {unit_id: before(said.get(unit_id, {}), texts) for unit_id in units}
        with desk.files.alone(rollout_id):
            with desk.files.in_turn():  # two at once must not take the same version
                rollout = ro.begin(plan, versions(desk.files, said, units), had)
                desk.files.save(rollout)
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
            _carry_out(desk, rollout, wait=wait, poll_s=poll_s, as_json=as_json)


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
    with open_desk(settings_file, state_folder) as desk, desk.files.taken_up(rollout_id) as rollout:
        _carry_out(desk, rollout, wait=wait, poll_s=poll_s, as_json=as_json)


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

    退出码 exit: 0 已撤回或进行中 taken back, or going on · 1 有设备无法撤回 some cannot be · 2 无法执行 cannot ·
    3 有设备尚无结果 some without a result.
    """
    with open_desk(settings_file, state_folder) as desk, desk.files.taken_up(rollout_id) as rollout:
        why = Ended(code="admin", zh="管理员撤回", en="taken back by the admin")
        said = {str(each["unit_id"]): each for each in desk.store.units()}
        with desk.files.in_turn():
            following = versions(desk.files, said, [member.unit_id for member in rollout.members])
            rollout = ro.abort(rollout, why, take_back=True, back_versions=following)
            desk.files.save(rollout)
        _carry_out(desk, rollout, wait=wait, poll_s=poll_s, as_json=as_json, wanted="aborted")


@config_group.command("status")
@click.argument("rollout_id", metavar="ROLLOUT", required=False)
@json_option
@state_option
def status_command(rollout_id: str | None, as_json: bool, state_folder: Path | None) -> None:
    """下发任务：全部，或其中一项 · every roll-out, or one of them, unit by unit.

    退出码 exit: 0 · 1 该任务已中止 it was aborted · 2 没有该任务 there is none ·
    3 已结束，有设备尚无结果 over, some units without a result.
    """
    files = rollout_files(state_folder)
    try:
        if rollout_id is None:
            print_all(files.all(), as_json)
            return
        rollout = files.load(rollout_id)
    except FleetError as error:
        fail(error.zh, error.en)
    if as_json:
        click.echo(rollout.model_dump_json(indent=2))
    else:
        print_rollout(rollout)
        print_members(rollout)
    raise SystemExit(1 if rollout.phase == "aborting" else _result(rollout, "done"))


# --- carrying out -----------------------------------------------------------------------------------------------------


def _carry_out(desk: Desk, rollout: Rollout, *, wait: bool, poll_s: float, as_json: bool, wanted: str = "done") -> None:
    """The caller has it alone. Exits with :func:`_result`."""
    from recorder.fleet.connection import FleetConnection, real_link
    from recorder.fleet.rollout_run import Runner
    from recorder.fleet.signing import load_command_key

    signer, never = load_command_key(desk.settings.command_key), threading.Event()
    link = real_link(desk.settings, desk.clock, (STORE_STATE,))
    patience_s = desk.settings.file.broker.connect_timeout_s
    told: Any = (lambda _: None) if as_json else print_rollout
    with FleetConnection(link, desk.clock, patience_s) as connection:
        runner = Runner(
            desk.clock,
            signer,
            desk.store.units,
            desk.files.newest_of_others,
            desk.files.in_turn,
            desk.files.save,
            connection.publish,
            connection.settle,
            told,
        )
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
    raise SystemExit(_result(rollout, wanted))


def _result(rollout: Rollout, wanted: str) -> int:
    """1 when it ended otherwise than wanted, 3 when it ended and some units have not said what became of it."""
    if rollout.phase not in ("done", "aborted"):
        return 0
    if rollout.phase != wanted or (wanted == "aborted" and _kept(rollout)):
        return 1
    if wanted == "done" and rollout.why is not None:
        return 1
    return WITHOUT_RESULT if ro.without_result(rollout) else 0


def _kept(rollout: Rollout) -> bool:
    """Some unit still has what was to be taken back."""
    left = ("sent", "pending", "applied", "silent", "not-taken-back")
    return any(member.state in left for member in rollout.members)
