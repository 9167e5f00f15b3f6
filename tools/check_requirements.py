"""Do the requirements files pin, with hashes, everything ``pyproject.toml`` asks for, in a version it allows?"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)")


def pins(requirements: str) -> dict[str, tuple[str, int]]:
    """Name → (version, number of hashes) of a pip requirements file."""
    found: dict[str, tuple[str, int]] = {}
    for logical in requirements.replace("\\\n", " ").splitlines():
        if match := _PIN.match(logical):
            found[canonicalize_name(match["name"])] = (match["version"], logical.count("--hash=sha256:"))
    return found


def findings(pyproject: str, requirements: str, audio: str) -> list[str]:
    """One line for each requirement that is not pinned, not allowed or has no hash. Of the ``pi`` extra, which is for
    units, only PyAudio is wanted elsewhere too: ``audio`` is ``requirements-audio.txt``, compiled where the headers are."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    compiled = [text for text in extras["pi"] if canonicalize_name(Requirement(text).name) == "pyaudio"]
    return [
        *_findings(
            [*project["dependencies"], *extras.get("sim", []), *extras["dev"]], requirements, "requirements.txt"
        ),
        *_findings(compiled, audio, "requirements-audio.txt"),
    ]


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
    texts = [
        (ROOT / name).read_text(encoding="utf-8")
        for name in ("pyproject.toml", "requirements.txt", "requirements-audio.txt")
    ]
    found = findings(*texts)
    for line in found:
        click.echo(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
