"""``./dev simulate``: deterministic shifts. The last line is ``N shifts, V violations``; exit 0 only when V is 0."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from hw_sim.deterministic.campaign import Tally, campaign, replay_command
from hw_sim.deterministic.judge import Outcome, run_seed

NIGHTLY = 100_000
PROGRESS_US = 30_000_000


@click.command()
@click.option("--seeds", type=click.IntRange(1), default=200, show_default=True, help="shifts to run 班次数")
@click.option("--first", type=click.IntRange(0), default=1, show_default=True, help="the first seed 第一个种子")
@click.option("--nightly", is_flag=True, help=f"{NIGHTLY} shifts 夜间规模")
@click.option("--jobs", type=click.IntRange(1), help="processes; all cores by default 进程数")
@click.option("--seed", type=click.IntRange(0), help="one shift only 只运行一个班次")
@click.option("--trace", is_flag=True, help="with --seed: everything that happens, in order of time 按时间列出全过程")
@click.option(
    "--keep", type=click.Path(path_type=Path), help="with --seed: keep the unit's data in this new folder 保留数据"
)
def main(
    seeds: int, first: int, nightly: bool, jobs: int | None, seed: int | None, trace: bool, keep: Path | None
) -> None:
    """确定性仿真：一个种子即一个班次。Deterministic shifts: one seed is one shift."""
    tally = Tally()
    if seed is not None:
        if keep is not None and keep.exists():
            raise click.UsageError(f"{keep}: 已存在 exists already")
        outcome = run_seed(seed, out=click.echo if trace else None, keep=keep)
        tally.add(outcome)
        _show(outcome)
    else:
        if trace or keep is not None:
            raise click.UsageError("--trace 与 --keep 需要 --seed: they need --seed")
        _many(first, NIGHTLY if nightly else seeds, jobs, tally)
    click.echo(str(tally))
    sys.exit(1 if tally.violations else 0)


def _many(first: int, count: int, jobs: int | None, tally: Tally) -> None:
    clock = SystemClock()
    began = shown = clock.boottime_us()
    for outcome in campaign(first, count, jobs):
        tally.add(outcome)
        if outcome.violations:
            _show(outcome)
        now = clock.boottime_us()
        if now - shown > PROGRESS_US:
            shown = now
            click.echo(f"… {tally.shifts}/{count}, {(now - began) / 1e6:.0f} s")
    seconds = (clock.boottime_us() - began) / 1e6
    click.echo(f"{tally.simulated_us / 3.6e9:.1f} h simulated 仿真 in {seconds:.0f} s")


def _show(outcome: Outcome) -> None:
    for violation in outcome.violations:
        click.echo(f"seed {outcome.seed}: {violation}")
    if outcome.violations:
        click.echo(f"  重放 replay: {replay_command(outcome.seed)}")


if __name__ == "__main__":
    main()
