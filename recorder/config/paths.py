"""Where the shipped configuration files are: ``config/`` in a checkout, ``recorder/share/config`` in a wheel.

The wheel's folder is looked at first: beside an installed package a folder named ``config`` may be anybody's.
"""

from __future__ import annotations

from pathlib import Path

DEFAULTS = "defaults.toml"


class ShippedFilesMissing(Exception):
    """The program is installed without its own ``defaults.toml``: a broken package, not a wrong setting."""


def shipped_dir(package: Path | None = None) -> Path:
    """The folder with ``defaults.toml`` and the schemas. ``package`` is the folder of the package ``recorder``."""
    package = package or Path(__file__).resolve().parents[1]
    candidates = (package / "share" / "config", package.parent / "config")
    for candidate in candidates:
        if (candidate / DEFAULTS).is_file():
            return candidate.resolve()
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise ShippedFilesMissing(f"找不到 {DEFAULTS}，安装不完整 / {DEFAULTS} not found, broken installation: {looked}")


def defaults_file() -> Path:
    """``defaults.toml``: every setting with its default and a comment."""
    return shipped_dir() / DEFAULTS


def boards_dir() -> Path:
    """The shipped board files."""
    return shipped_dir() / "boards"
