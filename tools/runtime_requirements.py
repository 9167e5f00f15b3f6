"""``requirements-runtime.txt``: the part of ``requirements.txt`` that a unit needs, same versions, same hashes.

    ./dev run python -m tools.runtime_requirements           # write it anew
    ./dev run python -m tools.runtime_requirements --check   # is it what it should be?

The package (``./dev deb``) is built from it. What a package needs is read from the metadata installed in ``.venv``.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

import click
from packaging.utils import canonicalize_name

from tools.check_licences import PROJECT, closure

ROOT = Path(__file__).resolve().parents[1]
FILE = "requirements-runtime.txt"
COMMAND = "./dev run python -m tools.runtime_requirements"

TARGETS = tuple(
    {"python_version": version, "platform_machine": machine, "sys_platform": "linux", "platform_system": "Linux"}
    for version in ("3.11", "3.13")
    for machine in ("aarch64", "x86_64")
)
"""The environments a package is built for (PEP 508 markers): Raspberry Pi OS and Debian, bookworm and trixie."""

UNUSED: Mapping[str, str] = {
    "setuptools": "asked for by colorzero 2.0, which never imports it (tests/package runs gpiozero without it)",
}
"""Asked for by a library's metadata and not by its code: name → why."""

HEADER = f"""\
# What a unit runs on: the part of requirements.txt that `dependencies` of pyproject.toml needs. Made by
#   {COMMAND}
"""

_NAME = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==")


def blocks(requirements: str) -> dict[str, str]:
    """Canonical name → the lines of its pin with all hashes, of a pip requirements file; comments are left out."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in requirements.splitlines():
        if match := _NAME.match(line):
            current = found.setdefault(canonicalize_name(match[1]), [])
            current.append(line)
        elif current and line.strip().startswith("--hash="):
            current.append(line)
    return {name: "\n".join(lines) + "\n" for name, lines in found.items()}


def runtime_names(pyproject: str, requires: Mapping[str, Iterable[str]]) -> set[str]:
    """Canonical names of everything the project's ``dependencies`` need on any of :data:`TARGETS`."""
    project = tomllib.loads(pyproject)["project"]
    tree = {**requires, PROJECT: project["dependencies"], **{name: [] for name in UNUSED}}
    return set().union(*(closure(tree, PROJECT, target) for target in TARGETS)) - UNUSED.keys()


def render(names: Iterable[str], requirements: str) -> str:
    """The file. Raises KeyError for a name that ``requirements`` does not pin."""
    pinned = blocks(requirements)
    return HEADER + "".join(pinned[name] for name in sorted(names))


def installed() -> dict[str, list[str]]:
    """Canonical name → requirement strings of everything in this environment."""
    return {
        str(canonicalize_name(distribution.name)): list(distribution.requires or [])
        for distribution in importlib.metadata.distributions()
    }


def main() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    requirements = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    text = render(runtime_names(pyproject, installed()), requirements)
    if sys.argv[1:] == ["--check"]:
        if (ROOT / FILE).read_text(encoding="utf-8") != text:
            click.echo(f"{FILE}: 已过时 out of date: {COMMAND}")
            sys.exit(1)
        return
    (ROOT / FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
