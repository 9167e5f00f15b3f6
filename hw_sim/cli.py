"""``hw-sim``: the simulator's command line."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import click


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
@click.option(
    "--camera", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="任意视频文件 any video file"
)
@click.option(
    "--microphone", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="任意 WAV any WAV file"
)
@click.option(
    "--gnss", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="任意 NMEA 日志 any NMEA log"
)
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
    """运行一个场景并证明它 · run SCENARIO (a shipped name or a .toml file) and prove it; exit 0 = expectations met."""
    from hw_sim.runner.layout import OutputFolderError, prepare
    from hw_sim.runner.result import render
    from hw_sim.runner.run import Media, ScenarioRun
    from hw_sim.runner.unit_processes import ProcessError
    from hw_sim.scenario import ScenarioError, load_scenario
    from recorder.loading import system_clock

    try:
        loaded = load_scenario(scenario)
        layout = prepare(out or Path("out") / loaded.name)
    except (ScenarioError, OutputFolderError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    title = loaded.title_en if language() == "en" else loaded.title_zh
    click.echo(title)
    run = ScenarioRun(
        scenario=loaded,
        layout=layout,
        media=Media(camera=camera, microphone=microphone, gnss=gnss, at_end=at_end),
        clock=system_clock(),
        language=language(),
        say=lambda text: click.echo(text),
        stop=stop,
    )
    try:
        result = run.execute()
    except ProcessError as error:
        click.echo(f"{error}\n{layout.logs}", err=True)
        sys.exit(2)
    click.echo(render(result, title, layout.out, language()))
    sys.exit(0 if result["passed"] else 130 if stop.is_set() else 1)
