"""``./dev deb``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock
from tools.package.build import BuildFailed, build
from tools.package.needs import UnknownLibrary
from tools.package.notices import NoLicence
from tools.package.payload import UnknownKind
from tools.package.target import MACHINE, RELEASES, Target

ROOT = Path(__file__).resolve().parents[2]


@click.command("deb", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--arch", "architectures", multiple=True, type=click.Choice(sorted(MACHINE)), help="架构，可重复 (both)")
@click.option(
    "--python",
    "pythons",
    multiple=True,
    type=click.Choice(sorted(RELEASES)),
    help="系统 Python，可重复：3.11 bookworm，3.13 trixie (both)",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=ROOT / "out/deb",
    help="输出文件夹，相对于仓库 folder, relative to the repository (out/deb)",
)
@click.option("--fast", is_flag=True, help="压缩得快而少 compress fast and less: for tests")
def main(architectures: tuple[str, ...], pythons: tuple[str, ...], out: Path, fast: bool) -> None:
    """构建 Debian 软件包，可重现 · build the Debian packages, reproducibly."""
    clock = SystemClock()
    for python in pythons or sorted(RELEASES):
        for architecture in architectures or sorted(MACHINE):
            start = clock.boottime_us()
            try:
                package = build(ROOT, Target(architecture, python), out, xz_level=0 if fast else 6)
            except (
                BuildFailed,
                NoLicence,
                UnknownKind,
                UnknownLibrary,
                subprocess.CalledProcessError,
                OSError,
            ) as error:
                click.echo(f"错误 error: {architecture} {python}: {error}", err=True)
                sys.exit(2)
            seconds = (clock.boottime_us() - start) / 1e6
            click.echo(f"{package}  {package.stat().st_size / 1e6:.1f} MB  {seconds:.0f} s")


if __name__ == "__main__":
    main(prog_name="./dev deb")
