"""Running the programs a build is made of, their output kept for when they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from hw_sim.virtual_pi.errors import VirtualPiError

PROGRAMS: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "gcc": "gcc",
    "make": "make",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "xz": "xz-utils",
    "patch": "patch",
    "passt": "passt",
}
"""Programs of this machine by their Debian package."""


def missing_packages() -> list[str]:
    """Debian packages whose programs are not on PATH."""
    return sorted({package for program, package in PROGRAMS.items() if shutil.which(program) is None})


def run(
    command: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    """Run with the output in ``log``. Raises VirtualPiError with the end of it."""
    with log.open("ab") as out:
        out.write(("+ " + " ".join(map(str, command)) + "\n").encode())
        out.flush()
        process = subprocess.run(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            cwd=cwd,
            check=False,
        )
    if process.returncode != 0:
        tail = log.read_bytes()[-3000:].decode("utf-8", "replace")
        raise VirtualPiError(f"{command[0]}: 失败 failed with {process.returncode} ({log})\n{tail}")


def output(command: Sequence[str | Path]) -> str:
    """What a command printed. Raises VirtualPiError with its standard error."""
    process = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    if process.returncode != 0:
        error = process.stderr[-2000:].decode("utf-8", "replace")
        raise VirtualPiError(f"{command[0]}: 失败 failed with {process.returncode}\n{error}")
    return process.stdout.decode("utf-8", "replace")
