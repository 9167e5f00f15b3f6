"""Child processes and what they cost. CPU time comes from ``wait4``: whole processes, their start and children included."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from firmware_bridge.ports import Clock
from tools.bench.model import MeasurementError, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """``wall_s`` from start to end; ``cpu_s`` user and system; ``rss_mb`` the largest resident set (MB, 10⁶ bytes)."""

    wall_s: float
    cpu_s: float
    rss_mb: float
    stdout: str = ""

    def __add__(self, other: Usage) -> Usage:
        """One after the other."""
        return Usage(
            self.wall_s + other.wall_s,
            self.cpu_s + other.cpu_s,
            max(self.rss_mb, other.rss_mb),
            self.stdout + other.stdout,
        )


def program(name: str) -> str:
    """The path of a peer program. Raises Unavailable."""
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"没有程序 missing program: {name} (packages.apt)", name)
    return path


def run(
    command: Sequence[str],
    clock: Clock,
    *,
    accept: Sequence[int] = (0,),
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Usage:
    """Run to the end. Raises MeasurementError when the exit code is not among ``accept``: a tool that did not do its work
    has no speed."""
    begin = clock.boottime_us()
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=None if env is None else dict(env),
        cwd=cwd,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read().decode("utf-8", "replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall_us = clock.boottime_us() - begin
    if process.returncode not in accept:
        tail = "\n".join(output.splitlines()[-15:])
        raise MeasurementError(f"{Path(command[0]).name} {' '.join(command[1:4])} …: {process.returncode}\n{tail}")
    return Usage(wall_us / 1e6, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output)


def sequence(commands: Sequence[Sequence[str]], clock: Clock) -> Usage:
    """Commands one after the other, as one: what a user would put into a script."""
    total = Usage(0.0, 0.0, 0.0)
    for command in commands:
        total += run(command, clock)
    return total


def interleaved(count: int, first: Callable[[], T], second: Callable[[], T]) -> tuple[list[T], list[T]]:
    """A B A B …: whatever else the machine does meets both alike."""
    ours, theirs = [], []
    for _ in range(count):
        ours.append(first())
        theirs.append(second())
    return ours, theirs
