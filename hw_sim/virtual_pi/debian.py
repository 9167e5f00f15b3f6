"""Debian trixie from the mirror this machine already uses, without touching this machine's own apt.

apt is run on a state folder of its own; its keyring is Debian's (``debian-archive-keyring``), so nothing unsigned gets in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hw_sim.virtual_pi.commands import output, run
from hw_sim.virtual_pi.errors import VirtualPiError

SUITE: Final = "trixie"
SUITES: Final = (SUITE, f"{SUITE}-backports")
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def mirror() -> str:
    """The URI from which this machine's apt takes Debian itself. Raises VirtualPiError where it takes none."""
    listing = output(["apt-get", "indextargets", "--format", "$(ORIGIN) $(SITE)", "Created-By: Packages"])
    for line in listing.splitlines():
        origin, _, site = line.partition(" ")
        if origin == "Debian" and "security" not in site:
            return site.rstrip("/")
    raise VirtualPiError(
        "apt 没有 Debian 的软件源（先运行 apt-get update）apt knows no Debian archive here: run apt-get update first"
    )


def source_lines(uri: str) -> list[str]:
    return [f"deb [signed-by={KEYRING}] {uri} {suite} main" for suite in SUITES]


def fetch_package(name: str, folder: Path, log: Path) -> Path:
    """Download the package ``name`` of :data:`SUITES` into ``folder``; the file. Raises VirtualPiError."""
    state = folder / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "sources.list").write_text("\n".join(source_lines(mirror())) + "\n", encoding="utf-8")
    options = [
        *("-o", f"Dir::State={state}", "-o", f"Dir::State::status={state}/status"),
        *("-o", f"Dir::State::Lists={state}/lists", "-o", f"Dir::Cache={state}/cache"),
        *("-o", f"Dir::Etc::SourceList={state}/sources.list", "-o", "Dir::Etc::SourceParts=/dev/null"),
        *("-o", "APT::Sandbox::User="),
    ]
    run(["apt-get", *options, "-q", "update"], log)
    run(["apt-get", *options, "-q", "download", name], log, cwd=folder)
    found = sorted(folder.glob(f"{name}_*.deb"))
    if not found:
        raise VirtualPiError(f"{name}: apt 没有下载任何文件 apt downloaded nothing ({log})")
    return found[0]
