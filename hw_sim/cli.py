"""``hw-sim``: the simulator's command line."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import click

CANNOT_RUN = 2
INTERRUPTED = 130


def language() -> str:
    tongue = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if tongue.startswith("en") else "zh"


class LazyGroup(click.Group):
    """Loads ``fleet`` only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), "fleet"])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name != "fleet":
            return super().get_command(ctx, cmd_name)
        from hw_sim.fleet_sim.command import fleet_command

        return fleet_command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """执法记录仪仿真器 · simulator for law-enforcement recorders."""


@main.command("assign")
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--unit", "unit_id", default="zfy-000001", show_default=True, help="设备编号 unit id")
@click.option("--name", required=True, help="姓名")
@click.option("--cert-no", required=True, help="执法证号 certificate number")
@click.option(
    "--qr", type=click.Path(path_type=Path, dir_okay=False), help="只写出二维码 write the QR code (PNG) instead"
)
def assign_command(out: Path, unit_id: str, name: str, cert_no: str, qr: Path | None) -> None:
    """指派执法人员 · sign an assignment with the agency of the run in OUT and send it over MQTT, or print it as a code."""
    from hw_sim.agency.assign import send_assignment
    from hw_sim.agency.authority import Authority
    from hw_sim.agency.broker import Broker
    from hw_sim.agency.processes import AgencyError
    from recorder.loading import system_clock

    clock = system_clock()
    authority = Authority(out / "agency" / "authority", clock)
    text = authority.assignment(unit_id, name, cert_no)
    if qr is not None:
        from hw_sim.devices.code_card import write_png

        write_png(qr, text)
        click.echo(str(qr))
        return
    try:
        port = Broker.port_of(out / "agency" / "broker")
        answer = send_assignment("127.0.0.1", port, authority.desk_client_dir, clock, unit_id, text)
    except AgencyError as error:
        click.echo(str(error), err=True)
        sys.exit(CANNOT_RUN)
    click.echo(json.dumps(answer, ensure_ascii=False))
    sys.exit(0 if answer.get("result") == "accepted" else 1)


def _tell(path: Path, out: Path | None) -> NoReturn:
    """A story runs on the deterministic tier: days in seconds, no process and no device."""
    from hw_sim.deterministic.story import load_story
    from hw_sim.deterministic.story_run import render, run_story
    from hw_sim.runner.layout import OutputFolderError, prepare
    from hw_sim.scenario import ScenarioError

    try:
        story = load_story(path)
        layout = prepare(out or Path("out") / story.name)
    except (ScenarioError, OutputFolderError) as error:
        click.echo(str(error), err=True)
        sys.exit(CANNOT_RUN)
    title = story.title_en if language() == "en" else story.title_zh
    click.echo(f"{title} → {layout.out}")
    result = run_story(story, layout, click.echo)
    click.echo(render(result, title, layout.out, language()))
    sys.exit(0 if result["passed"] else 1)


@main.command("run")
@click.argument("scenario")
@click.option("--out", type=click.Path(path_type=Path), help="输出文件夹 output folder (default: out/SCENARIO)")
@click.option("--headless", is_flag=True, help="只打印进度行 plain progress lines only (the default here)")
@click.option("--camera", type=click.Path(path_type=Path), help="任意视频文件 any video file")
@click.option("--microphone", type=click.Path(path_type=Path), help="任意 WAV any WAV file")
@click.option("--gnss", type=click.Path(path_type=Path), help="任意 NMEA 日志 any NMEA log")
@click.option("--at-end", type=click.Choice(["loop", "hold"]), default="loop", help="素材用完后 when a file ends")
def run_command(
    scenario: str,
    out: Path | None,
    headless: bool,
    camera: Path | None,
    microphone: Path | None,
    gnss: Path | None,
    at_end: str,
) -> None:
    """运行一个场景并证明它 · run SCENARIO (a shipped name or a .toml file) and prove it.

    退出码 exit: 0 预期全部符合 expectations met · 1 有不符 not met · 2 无法运行 cannot run · 130 被中断 interrupted.
    """
    from hw_sim.deterministic.story import story_file

    story = story_file(scenario)
    if story is not None:
        _tell(story, out)
    from firmware_bridge.ports import DeviceError
    from hw_sim.agency.authority import AuthorityError
    from hw_sim.agency.processes import AgencyError
    from hw_sim.runner.layout import OutputFolderError, prepare
    from hw_sim.runner.media import Media, MediaError, check
    from hw_sim.runner.result import render
    from hw_sim.runner.run import ScenarioRun
    from hw_sim.runner.stop_flag import StopFlag
    from hw_sim.runner.unit_processes import ProcessError
    from hw_sim.scenario import ScenarioError, load_scenario
    from hw_sim.world_keys import WorldError
    from recorder.loading import system_clock

    media = Media(camera=camera, microphone=microphone, gnss=gnss, at_end=at_end)
    try:
        loaded = load_scenario(scenario)
        check(media)
        layout = prepare(out or Path("out") / loaded.name)
    except (ScenarioError, MediaError, OutputFolderError) as error:
        click.echo(str(error), err=True)
        sys.exit(CANNOT_RUN)
    stop = StopFlag()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    english = language() == "en"
    title = loaded.title_en if english else loaded.title_zh
    about = f"about {loaded.expected_s:.0f} s" if english else f"约 {loaded.expected_s:.0f} 秒"
    click.echo(f"{title} ({about}) → {layout.out}")
    run = ScenarioRun(
        scenario=loaded,
        layout=layout,
        media=media,
        clock=system_clock(),
        language=language(),
        say=lambda text: click.echo(text),
        stop=stop,
    )
    try:
        result = run.execute()
    except (ProcessError, AgencyError, AuthorityError, WorldError, DeviceError) as error:
        click.echo(f"{error}\n{'logs' if english else '日志'}: {layout.logs}", err=True)
        sys.exit(INTERRUPTED if stop.is_set() else CANNOT_RUN)
    click.echo(render(result, title, layout.out, language()))
    sys.exit(0 if result["passed"] else INTERRUPTED if stop.is_set() else 1)
