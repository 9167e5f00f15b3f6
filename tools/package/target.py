"""What a package is built for: a Debian architecture and the Python of a Debian release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MACHINE: Final = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of an architecture → the one in wheel tags."""


@dataclass(frozen=True, slots=True)
class Release:
    """A Debian release, Raspberry Pi OS included: its number, its name and its C library, 2.``glibc_minor``."""

    number: int
    codename: str
    glibc_minor: int


RELEASES: Final = {"3.11": Release(12, "bookworm", 36), "3.13": Release(13, "trixie", 41)}
"""By the version of its ``python3``."""


@dataclass(frozen=True, slots=True)
class Target:
    architecture: str
    python: str

    @property
    def release(self) -> Release:
        return RELEASES[self.python]

    @property
    def platforms(self) -> list[str]:
        """Wheel tags, best first: everything built against this release's C library or an older one."""
        machine = MACHINE[self.architecture]
        tags = [f"manylinux_2_{minor}_{machine}" for minor in range(self.release.glibc_minor, 16, -1)]
        return [*tags, f"manylinux2014_{machine}"]

    @property
    def depends(self) -> str:
        """The libraries are compiled for one Python: the package must go when the system's Python does."""
        minor = int(self.python.split(".")[1])
        return f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})"
