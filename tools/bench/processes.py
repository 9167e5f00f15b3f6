"""Other processes as /proc shows them: who is a recorder's, and what memory each holds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
LEAN = {"recorder.uplink.process": "uplink", "recorder.capture.process": "capture-worker"}
"""What ``recorder uplink`` and ``recorder capture-worker`` replace themselves with."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. ``rss`` resident; ``pss`` with shared pages divided among their users; ``peak`` the largest ``rss`` ever;
    ``anonymous`` what belongs to the process alone; ``shared`` anonymous memory of several (memfd), part of ``rss``."""

    rss: int
    pss: int
    peak: int
    anonymous: int
    shared: int


def memory(pid: int | str) -> Memory:
    """Raises OSError when the process is gone."""
    status = _fields(PROC / str(pid) / "status")
    rollup = _fields(PROC / str(pid) / "smaps_rollup")
    return Memory(
        rss=_kib(status["VmRSS"]),
        pss=_kib(rollup["Pss"]),
        peak=_kib(status["VmHWM"]),
        anonymous=_kib(status["RssAnon"]),
        shared=_kib(status["RssShmem"]),
    )


def resident(pid: int | str, libraries: Sequence[str]) -> int:
    """Bytes in memory of the mapped files whose names begin with one of ``libraries`` (proc_pid_smaps(5)).
    Raises OSError when the process is gone."""
    total, counts = 0, False
    for line in (PROC / str(pid) / "smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        if "-" in line.partition(" ")[0]:  # a mapping: addresses, rights, offset, device, inode, file
            fields = line.split(maxsplit=5)
            counts = len(fields) == 6 and Path(fields[5]).name.startswith(tuple(libraries))
        elif counts and line.startswith("Rss:"):
            total += _kib(line.partition(":")[2])
    return total


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, in seconds. Raises OSError when it is gone."""
    # The name of the program, in brackets, may hold anything; fields 14 and 15 of proc_pid_stat(5) come 11 behind it.
    fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[int]:
    """Process ids below ``root``, by their parents."""
    parents: dict[int, int] = {}
    for folder in PROC.iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parents[int(folder.name)] = int(_fields(folder / "status")["PPid"])
        except (OSError, KeyError):
            continue  # it ended while we looked
    found, todo = [], [root]
    while todo:
        parent = todo.pop()
        children = [pid for pid, its_parent in parents.items() if its_parent == parent]
        found += children
        todo += children
    return found


def role(pid: int) -> str | None:
    """``run``, ``capture-worker`` or ``uplink`` when the process is one of a recorder's three, else None."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    names = [word.decode("utf-8", "replace") for word in words]
    for number, name in enumerate(names[:-1]):
        if name == "-m" and names[number + 1] in LEAN:
            return LEAN[names[number + 1]]
        if Path(name).name == "recorder" and (number == 0 or names[number - 1] == "-m" or number == 1):
            command = names[number + 1]
            # The others only read the configuration and become the lean process: that one counts.
            return command if command == "run" else None
    return None


def _fields(path: Path) -> dict[str, str]:
    fields = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields[key] = value.strip()
    return fields


def _kib(text: str) -> int:
    return int(text.split()[0]) * 1024
