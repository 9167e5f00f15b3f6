"""``hw-sim fleet``: many units at once, simulated (the scheduler) or real (their uplink processes)."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hw_sim.fleet_run.marked import kept
from hw_sim.fleet_run.plan import MB as SEGMENT_MB
from hw_sim.fleet_run.plan import FleetPlan
from hw_sim.fleet_sim.load import MB, LoadPlan
from hw_sim.fleet_sim.report import page, picture, simulate, table

LINK_MB_S = 1250.0
"""The simulated line: 10 Gbit/s."""


@click.command("fleet")
@click.option(
    "--units", type=click.IntRange(1, 1000), default=200, show_default=True, help="真实上传进程数 real uplink processes"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/fleet-run"),
    show_default=True,
    help="输出文件夹 output folder",
)
@click.option("--segments", type=click.IntRange(1, 1000), default=6, show_default=True, help="每台片段数 of each unit")
@click.option("--segment-mb", type=click.FloatRange(0.25), default=1.0, show_default=True, help="片段大小 size of each")
@click.option("--instances", type=click.IntRange(1, 16), default=2, show_default=True, help="存储实例数 of the store")
@click.option("--slots", type=click.IntRange(0), default=16, show_default=True, help="上传许可数 upload slots; 0: none")
@click.option("--objects", default="folder:", show_default=True, help="对象存储 docs/object-stores.md")
@click.option("--faults/--no-faults", default=True, help="按种子杀进程、断线路 kill processes, break the line, by seed")
@click.option(
    "--simulate",
    "sizes",
    type=click.IntRange(1, 100_000),
    multiple=True,
    help="改为仿真调度，设备数可重复 simulate the scheduler instead: number of units, repeatable",
)
@click.option("--seed", type=int, default=1, show_default=True, help="随机种子 seed")
@click.option(
    "--link-mb-s",
    type=click.FloatRange(0.05),
    help="全部设备共用的线路，MB/s；仿真默认 1250，真实运行默认不限 "
    "the line all units share; 1250 in the simulation, not shaped in a real run",
)
@click.option("--write", "target", type=click.Path(path_type=Path, dir_okay=False), help="写成文档 write a page, *.md")
def fleet_command(
    units: int,
    out: Path,
    segments: int,
    segment_mb: float,
    instances: int,
    slots: int,
    objects: str,
    faults: bool,
    sizes: tuple[int, ...],
    seed: int,
    link_mb_s: float | None,
    target: Path | None,
) -> None:
    """全部设备入坞 · a whole fleet docks: real uplink processes against one agency, with faults, judged from the disk.

    --simulate：同时入坞的大量设备，许可与 429 随机退避相比 · very many units, grants beside 429 and full jitter.

    退出码 exit: 0 达到上限 holds · 1 未达到 does not · 2 无法运行 cannot run · 130 被中断 interrupted.
    """
    if sizes:
        sys.exit(_simulate(sizes, seed, LINK_MB_S if link_mb_s is None else link_mb_s, target))
    from hw_sim.fleet_run.command import run_fleet

    plan = FleetPlan(
        units,
        seed,
        segments,
        round(segment_mb * SEGMENT_MB),
        instances,
        slots,
        faults,
        line_rate=(link_mb_s or 0.0) * MB,
    )
    sys.exit(run_fleet(plan, out, objects, target, click.echo, lambda text: click.echo(text, err=True)))


def _simulate(sizes: tuple[int, ...], seed: int, link_mb_s: float, target: Path | None) -> int:
    results = []
    for units in sizes:
        results.append(simulate(LoadPlan(units=units, seed=seed, link_rate=link_mb_s * MB)))
        click.echo(table(results[-1:]))
    failures = [line for result in results for line in result.failures]
    for line in failures:
        click.echo(line, err=True)
    if target is not None:
        drawing = target.with_suffix(".svg")
        options = "".join(f" --simulate {units}" for units in sizes)
        options += "" if seed == 1 else f" --seed {seed}"
        options += "" if link_mb_s == LINK_MB_S else f" --link-mb-s {link_mb_s:g}"
        command = f"./dev run hw-sim fleet{options} --write {target}"
        of_run = kept(target.read_text(encoding="utf-8")) if target.exists() else ""
        target.write_text(page(results, command, drawing.name) + of_run, encoding="utf-8")
        drawing.write_text(picture(max(results, key=lambda each: each.load.plan.units)), encoding="utf-8")
        click.echo(f"{target}\n{drawing}")
    return 1 if failures else 0
