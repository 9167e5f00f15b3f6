"""The project's own package, as it is installed on a unit: ``./dev deb`` for the guest's Debian and Python."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.cache import Cache, digest, remove
from hw_sim.virtual_pi.commands import run
from hw_sim.virtual_pi.errors import VirtualPiError

ROOT: Final = Path(__file__).resolve().parents[2]
GUEST_PYTHON: Final = "3.13"
"""Debian trixie's."""
DEV_DEB: Final = (str(ROOT / "dev"), "deb", "--fast", "--arch", "amd64", "--python", GUEST_PYTHON, "--out")
"""``--fast``: only the compression is another."""


def build_deb(cache: Cache, command: Sequence[str] = DEV_DEB) -> Path:
    """Build the package from this checkout: ``command`` and an empty folder. Raises VirtualPiError with the end of what it
    said.

    Whoever builds from another checkout at the same time waits; each finds his own package, under the digest of its
    content, and no later build takes it away."""
    with cache.locked("deb-build"):
        log = cache.root / "deb-build.log"
        log.unlink(missing_ok=True)
        out = cache.root / ".building-deb-build"
        if out.exists():
            remove(out)
        out.mkdir()
        with cache.steps.step("unit: ./dev deb"):
            run([*command, out], log, cwd=ROOT)
        found = sorted(out.glob("zfy-recorder_*_amd64.deb"))
        if len(found) != 1:
            raise VirtualPiError(
                f"./dev deb: {out} 中应有一个 .deb 文件 should have left one package, left {len(found)} ({log})"
            )
        package = found[0]
        key = digest(package.name, package)
        return cache.entry("deb", key, lambda folder: str(shutil.move(package, folder))) / package.name


def last_deb(cache: Cache) -> list[Path]:
    """The folder of the package that was built last, if any."""
    return sorted(cache.root.glob("deb-*/"), key=lambda folder: folder.stat().st_mtime_ns)[-1:]
