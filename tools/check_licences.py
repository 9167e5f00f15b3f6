"""May we ship with what we depend on? The licence of every runtime dependency against an allow-list.

The product is GPL-3.0-or-later (docs/adr/0007-licence.md): what may be combined with it is named here with the reason.
Development tools are not shipped and not looked at. What ./dev compiles (PyAudio, picamera2) is on a unit too, where it
comes from Raspberry Pi OS: it is looked at where it is installed.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.check_requirements import COMPILED, ROOT, pins

PROJECT = "zfy-recorder"

_PERMISSIVE = "permissive; attribution only"
ALLOWED: dict[str, str] = {
    "0BSD": _PERMISSIVE,
    "Apache-2.0": "compatible with GPL-3.0 (not with GPL-2.0-only)",
    "BSD-2-Clause": _PERMISSIVE,
    "BSD-3-Clause": _PERMISSIVE,
    "CC0-1.0": "public domain dedication",
    "GPL-3.0-or-later": "the product's own",
    "LGPL-2.1-only": "section 3 of it permits the terms of GPL-2.0 or any later version, GPL-3.0 included",
    "MIT": _PERMISSIVE,
    "MIT-0": _PERMISSIVE,
    "MIT-CMU": _PERMISSIVE,
    "PSF-2.0": "permissive; GPL-compatible",
    "Public Domain": "no conditions",
    "Zlib": _PERMISSIVE,
}

SPELLINGS: dict[str, str] = {
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
}
"""What package metadata say, and what is meant. "BSD License" is two licences; both are allowed."""


@dataclass(frozen=True, slots=True)
class Override:
    """A package whose metadata do not tell, or tell less than, the truth."""

    says: str
    means: str
    because: str


OVERRIDES: dict[str, Override] = {
    "python-prctl": Override(
        "GNU General Public License (GPL)",
        "GPL-3.0-or-later",
        "version 3 or any later, says its author as its packager in Debian",
    ),
    "av": Override(
        "BSD-3-Clause",
        "GPL-3.0-or-later",
        "the binding is BSD, but its wheels carry FFmpeg with libx264 and libx265 (GPL-2.0-or-later)",
    ),
}


def closure(requires: Mapping[str, Iterable[str]], root: str, environment: Mapping[str, str] | None = None) -> set[str]:
    """All packages ``root`` needs, itself excepted. ``requires``: canonical name → requirement strings; ``environment``:
    values of markers (PEP 508) that are not this interpreter's."""
    values = {**(environment or {}), "extra": ""}
    todo, seen = [root], set[str]()
    while todo:
        for text in requires.get(todo.pop(), ()):
            requirement = Requirement(text)
            # Markers also name extras, which are not installed on a unit unless asked for.
            if requirement.marker is not None and not requirement.marker.evaluate(values):
                continue
            name = canonicalize_name(requirement.name)
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return seen - {root}


def allowed(expression: str) -> bool:
    """Whether an SPDX expression (``AND``, ``OR``), or a ``;``-separated list of classifiers, is fine: one alternative must
    be, with all its parts."""
    alternatives = expression.replace("(", "").replace(")", "").split(" OR ")
    return any(
        all(
            SPELLINGS.get(part.strip(), part.strip()) in ALLOWED
            for part in alternative.replace(";", " AND ").split(" AND ")
        )
        for alternative in alternatives
    )


def findings(runtime: Iterable[str], licences: Mapping[str, str]) -> list[str]:
    """One line for each package with an unknown or unsuitable licence. ``licences``: canonical name → what it says."""
    lines = []
    for name in sorted(runtime):
        says = licences.get(name)
        special = OVERRIDES.get(name)
        if says is None:
            lines.append(f"{name}: 未安装，无法检查 not installed, cannot be checked")
        elif special is not None and special.says != says:
            lines.append(f"{name}: 许可证已变为 the licence is now {says!r} (was {special.says!r}): 请复核 look again")
        elif not allowed(special.means if special is not None else says):
            lines.append(f"{name}: 许可证不在允许列表中 licence not on the list: {says!r} (tools/check_licences.py)")
    return lines


def installed() -> tuple[dict[str, list[str]], dict[str, str]]:
    """(requirements, licences) of everything in this environment, by canonical name."""
    requires: dict[str, list[str]] = {
        str(canonicalize_name(distribution.name)): list(distribution.requires or [])
        for distribution in importlib.metadata.distributions()
    }
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--with-system"]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return requires, {canonicalize_name(row["Name"]): row["License"] for row in json.loads(answer)}


def compiled() -> set[str]:
    """Names pinned in the requirements files of what is compiled."""
    files = (ROOT / name for name in COMPILED)
    return {name for file in files for name in pins(file.read_text(encoding="utf-8"))}


def main() -> None:
    requires, licences = installed()
    runtime = closure(requires, PROJECT) | {name for name in compiled() if name in licences}
    found = findings(runtime, licences)
    for line in found:
        click.echo(line)
    if not found:
        click.echo(f"{len(runtime)} runtime dependencies, all compatible with GPL-3.0-or-later")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
