"""``./dev virtual-pi``: build, shell, cuts, clean. 虚拟树莓派：构建、登录、断电试验、清理缓存。"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from hw_sim.virtual_pi import image, kernel
from hw_sim.virtual_pi.cache import Cache, Steps, cache_root
from hw_sim.virtual_pi.commands import missing_packages
from hw_sim.virtual_pi.cut_table import table
from hw_sim.virtual_pi.errors import VirtualPiError
from hw_sim.virtual_pi.machine import Parts, VirtualPi
from hw_sim.virtual_pi.power_cuts import HOLD_S, power_cuts
from hw_sim.virtual_pi.product import build_deb

_DEB = click.option(
    "--deb", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="已有的软件包 a package built before"
)


@click.group()
def main() -> None:
    """虚拟树莓派 The virtual Pi: a real kernel, systemd and our package, as processes of this machine."""


def build_all(cache: Cache, deb: Path | None) -> tuple[Path, Path]:
    """Kernel folder and the folder of the image with the recorder installed. Raises VirtualPiError."""
    if missing := missing_packages():
        raise VirtualPiError(f"缺少 missing: apt install {' '.join(missing)}")
    kernel_folder = kernel.build(cache)
    system_image = image.build(cache, kernel_folder)
    return kernel_folder, image.install(cache, kernel_folder, system_image, deb or build_deb(cache))


def _cache() -> Cache:
    return Cache(cache_root(os.environ), Steps(SystemClock()))


@main.command()
@_DEB
def build(deb: Path | None) -> None:
    """构建内核与镜像 Build kernel and images, or find them in the cache."""
    cache = _cache()
    kernel_folder, unit = build_all(cache, deb)
    click.echo(f"kernel {kernel_folder}\nunit   {unit}\n{cache.steps.total()}")


@main.command()
@_DEB
@click.option("--bare", is_flag=True, help="不装记录仪 without the recorder")
def shell(deb: Path | None, bare: bool) -> None:
    """登录 A root shell on this terminal; `systemctl poweroff` ends it. Nothing written is kept."""
    cache = _cache()
    if bare:
        kernel_folder = kernel.build(cache)
        root = image.build(cache, kernel_folder) / "root.ext4"
    else:
        kernel_folder, unit = build_all(cache, deb)
        root = unit / "root.ext4"
    with tempfile.TemporaryDirectory(prefix="virtual-pi-") as name:
        folder = Path(name)
        data = folder / "data.ext4"
        image.make_data_disk(data, 1024, folder / "mke2fs.log")
        pi = VirtualPi(Parts(kernel_folder, root, (data,)), folder, SystemClock())
        sys.exit(
            subprocess.run(pi.terminal_command(), env={**os.environ, "TMPDIR": "/dev/shm"}, check=False).returncode
        )


@main.command()
@_DEB
@click.option("-n", "count", default=50, show_default=True, type=click.IntRange(1), help="断电次数 how many cuts")
@click.option("--seed", default=20191201, show_default=True, help="时刻的种子 of the moments")
@click.option(
    "--hold-s",
    default=HOLD_S,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="每次断电最多丢失的秒数 seconds of media a cut may cost",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/power-cuts"),
    show_default=True,
    help="结果 cuts.json, table.md, report.html; 坏的一次整份保留 a bad cut's disk is kept",
)
def cuts(deb: Path | None, count: int, seed: int, hold_s: float, out: Path) -> None:
    """断电试验 Cut the power of a recording unit again and again, and measure. Exit 1 when one cost more than the hold."""
    cache = _cache()
    kernel_folder, unit = build_all(cache, deb)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    result = power_cuts(kernel_folder, unit, out, count, seed, cache.steps.clock, click.echo)
    text = table(result.cuts)
    (out / "table.md").write_text(text + "\n", encoding="utf-8")
    summary = {"seed": seed, "hold_s": hold_s, "cuts": [cut.to_json() for cut in result.cuts], "verify": result.verdict}
    (out / "cuts.json").write_text(json.dumps(summary, ensure_ascii=False, indent=1), encoding="utf-8")
    click.echo(text)
    if problems := result.problems(hold_s):
        raise VirtualPiError("; ".join(problems))


@main.command()
def clean() -> None:
    """清理缓存 Remove what the present sources would not use any more."""
    cache = _cache()
    for path in cache.prune(image.in_use(cache)):
        click.echo(f"removed {path}")


def run() -> None:
    try:
        main()
    except VirtualPiError as error:
        raise SystemExit(f"virtual-pi: {error}") from error


if __name__ == "__main__":
    run()
