"""``hw-sim fleet``: the scheduler simulation from the command line."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hw_sim.fleet_sim.load import MB, LoadPlan
from hw_sim.fleet_sim.report import page, picture, simulate, table


@click.command("fleet")
@click.option(
    "--simulate",
    "sizes",
    type=click.IntRange(1, 100_000),
    multiple=True,
    required=True,
    help="设备数，可重复 number of units, repeatable",
)
@click.option("--seed", type=int, default=1, show_default=True, help="随机种子 seed")
@click.option("--link-mb-s", type=click.FloatRange(1.0), default=1250.0, show_default=True, help="线路 the line, MB/s")
@click.option("--write", "target", type=click.Path(path_type=Path, dir_okay=False), help="写成文档 write a page, *.md")
def fleet_command(sizes: tuple[int, ...], seed: int, link_mb_s: float, target: Path | None) -> None:
    """全部设备同时入坞 · a whole fleet docks at once: grants beside 429 and full jitter.

    退出码 exit: 0 达到上限 holds · 1 未达到 does not.
    """
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
        options += "" if link_mb_s == 1250.0 else f" --link-mb-s {link_mb_s:g}"
        command = f"./dev run hw-sim fleet{options} --write {target}"
        target.write_text(page(results, command, drawing.name), encoding="utf-8")
        drawing.write_text(picture(max(results, key=lambda each: each.load.plan.units)), encoding="utf-8")
        click.echo(f"{target}\n{drawing}")
    sys.exit(1 if failures else 0)
