"""Which Debian packages the private libraries need: the shared objects that they do not bring along themselves."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

PACKAGE_OF: Final[Mapping[str, str]] = {
    "ld-linux-aarch64.so.1": "libc6",
    "ld-linux-x86-64.so.2": "libc6",
    "libc.so.6": "libc6",
    "libdl.so.2": "libc6",
    "libm.so.6": "libc6",
    "libmvec.so.1": "libc6",
    "libpthread.so.0": "libc6",
    "libresolv.so.2": "libc6",
    "librt.so.1": "libc6",
    "libutil.so.1": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",
    "libz.so.1": "zlib1g",
}
"""What manylinux wheels may take from the system and we have met. Names are the same on bookworm and trixie."""

_NEEDED = re.compile(r"\(NEEDED\)\s+Shared library: \[([^]]+)\]")
_GLIBC = re.compile(r"Name: GLIBC_2\.(\d+)\b")


class UnknownLibrary(Exception):
    """A shared object that no package of :data:`PACKAGE_OF` brings: the package would not run where it is installed."""


def depends(folder: Path, glibc_minor: int) -> list[str]:
    """Debian dependencies of the shared objects below ``folder``. Raises UnknownLibrary, also for a C library newer than
    2.``glibc_minor``."""
    objects = sorted(path for path in folder.rglob("*") if path.is_file() and ".so" in path.suffixes)
    dumps = [(path.name, _readelf(path)) for path in objects]
    return needs(dumps, {path.name for path in objects}, glibc_minor)


def needs(dumps: Iterable[tuple[str, str]], brought: set[str], glibc_minor: int) -> list[str]:
    """The decision. ``dumps``: name of a shared object and ``readelf -dVW`` of it."""
    packages = {"libc6"}
    minor = 17
    for name, text in dumps:
        for library in sorted(set(_NEEDED.findall(text)) - brought):
            if library not in PACKAGE_OF:
                raise UnknownLibrary(f"{name}: {library}: 不知由哪个软件包提供 no package known to bring it")
            packages.add(PACKAGE_OF[library])
        newest = max((int(found) for found in _GLIBC.findall(text)), default=0)
        if newest > glibc_minor:
            raise UnknownLibrary(f"{name}: GLIBC_2.{newest}: 比该发行版新 newer than the release's 2.{glibc_minor}")
        minor = max(minor, newest)
    return [f"libc6 (>= 2.{minor})" if package == "libc6" else package for package in sorted(packages)]


def _readelf(path: Path) -> str:
    # It reads objects of any architecture. -W: one entry a line.
    done = subprocess.run(["readelf", "-dVW", str(path)], check=True, capture_output=True, text=True, errors="replace")
    return done.stdout
