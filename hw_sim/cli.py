"""``hw-sim``: the simulator's command line."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

CANNOT_RUN = 2
INTERRUPTED = 130


def language() -> str:
    tongue = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "en" if tongue.startswith("en") else "zh"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """执法记录仪仿真器 · simulator for law-enforcement recorders."""


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
    about = f"about {loaded.duration_s + 15:.0f} s" if english else f"约 {loaded.duration_s + 15:.0f} 秒"
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
