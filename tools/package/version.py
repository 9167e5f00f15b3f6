"""The version of a package: the project's, whether it is a release, and the Debian release it is for.

``0.1.0+deb13`` for the tagged commit ``v0.1.0``, ``0.1.0~git20261126.1a2b3c4+deb13`` for any other (sorted before the
release), ``….dirty`` where tracked files differ from that commit.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """The commit that is built. ``epoch``: its time, seconds since 1970."""

    epoch: int
    commit: str
    released: bool
    dirty: bool


def read_source(root: Path, version: str) -> Source:
    """Raises CalledProcessError outside of a git checkout: then there is no commit whose time the build could carry."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()

    return Source(
        epoch=int(git("log", "-1", "--format=%ct")),
        commit=git("rev-parse", "--short=7", "HEAD"),
        released=f"v{version}" in git("tag", "--points-at", "HEAD").split(),
        dirty=bool(git("status", "--porcelain", "--untracked-files=no")),
    )


def debian_version(version: str, source: Source, release_number: int) -> str:
    snapshot = ""
    if not source.released or source.dirty:
        day = datetime.fromtimestamp(source.epoch, UTC).strftime("%Y%m%d")
        snapshot = f"~git{day}.{source.commit}" + (".dirty" if source.dirty else "")
    return f"{version}{snapshot}+deb{release_number}"


def changelog(committed: str, version: str, codename: str, epoch: int) -> str:
    """``debian/changelog`` with this build's version and release in its first line and its time at the first signature."""
    lines = committed.splitlines()
    name, _, rest = lines[0].partition(" (")
    lines[0] = f"{name} ({version}) {codename};{rest.partition(';')[2]}"
    signature = next(index for index, line in enumerate(lines) if line.startswith(" -- "))
    time = datetime.fromtimestamp(epoch, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")
    lines[signature] = lines[signature].rpartition("  ")[0] + f"  {time}"
    return "\n".join(lines) + "\n"
