"""The user-mode Linux kernel of the virtual Pi, from Debian's own source package."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.cache import Cache, digest
from hw_sim.virtual_pi.commands import run
from hw_sim.virtual_pi.debian import fetch_package
from hw_sim.virtual_pi.errors import VirtualPiError

HERE: Final = Path(__file__).parent
CONFIG: Final = HERE / "kernel.config"
PATCH: Final = HERE / "kernel.patch"
SOURCE_PACKAGE: Final = "linux-source-7.3"
"""In trixie-backports: the first whose user-mode Linux runs on several processors."""

_REPRODUCIBLE = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "virtual-pi",
    "KBUILD_BUILD_HOST": "virtual-pi",
}


def key() -> str:
    return digest("1", SOURCE_PACKAGE, CONFIG, PATCH)


def build(cache: Cache) -> Path:
    """The folder with ``linux`` (the program that is the kernel), ``modules/`` and ``config``. Raises VirtualPiError."""
    return cache.entry("kernel", key(), lambda folder: _build(cache, folder))


def _build(cache: Cache, folder: Path) -> None:
    log = cache.root / "kernel-build.log"
    log.unlink(missing_ok=True)
    work = folder / "work"
    tree = work / "tree"
    tree.mkdir(parents=True)
    with cache.steps.step("kernel: source"):
        package = fetch_package(SOURCE_PACKAGE, work, log)
        run(["dpkg-deb", "-x", package, work], log)
        run(["tar", "xJf", work / f"usr/src/{SOURCE_PACKAGE}.tar.xz", "-C", tree, "--strip-components=1"], log)
        run(["patch", "-p1", "-d", tree, "-i", PATCH], log)
    make = ["make", "-C", str(tree), "ARCH=um", f"-j{os.cpu_count() or 1}"]
    with cache.steps.step("kernel: configure"):
        run([*make, "defconfig"], log)
        run(["scripts/kconfig/merge_config.sh", "-m", "-O", tree, ".config", CONFIG], log, cwd=tree)
        run([*make, "olddefconfig"], log)
        if dropped := dropped_lines(
            CONFIG.read_text(encoding="utf-8").splitlines(), (tree / ".config").read_text(encoding="utf-8").splitlines()
        ):
            raise VirtualPiError(
                f"{CONFIG.name}: 内核配置没有接受 Kconfig did not take: {'; '.join(dropped)} (缺依赖 dependencies)"
            )
    with cache.steps.step("kernel: compile"):
        run([*make, "linux", "modules"], log, _REPRODUCIBLE)
        run([*make, "modules_install", f"INSTALL_MOD_PATH={folder / 'modules'}"], log)
    for link in (folder / "modules").glob("lib/modules/*/build"):
        link.unlink()
    run(["strip", "-o", folder / "linux", tree / "linux"], log)
    shutil.copy(tree / ".config", folder / "config")
    shutil.rmtree(work)


def dropped_lines(wanted: Iterable[str], got: Iterable[str]) -> list[str]:
    """The settings of a fragment that are not in the final ``.config``; comments that are no setting do not count."""
    have = set(got)
    settings = (line for line in wanted if line.startswith("CONFIG_") or line.endswith(" is not set"))
    return [line for line in settings if line not in have]
