"""The project's own package, as it is installed on a unit: ``./dev deb`` for the guest's Debian and Python."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.cache import Cache
from hw_sim.virtual_pi.commands import run
from hw_sim.virtual_pi.errors import VirtualPiError

ROOT: Final = Path(__file__).resolve().parents[2]
GUEST_PYTHON: Final = "3.13"
"""Debian trixie's."""


def build_deb(cache: Cache) -> Path:
    """Build the package from this checkout. Raises VirtualPiError with the end of what ``./dev deb`` said."""
    out = cache.root / "deb"
    out.mkdir(parents=True, exist_ok=True)
    log = cache.root / "deb-build.log"
    log.unlink(missing_ok=True)
    for old in out.glob("*.deb"):
        old.unlink()
    with cache.steps.step("unit: ./dev deb"):
        run([ROOT / "dev", "deb", "--arch", "amd64", "--python", GUEST_PYTHON, "--out", out], log, cwd=ROOT)
    found = sorted(out.glob("zfy-recorder_*_amd64.deb"))
    if len(found) != 1:
        raise VirtualPiError(
            f"./dev deb: {out} 中应有一个 .deb 文件 should have left one package, left {len(found)} ({log})"
        )
    return found[0]
