"""CPU seconds and resident peak of the agency's programs, read from /proc while they live (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Usage:
    """``peak_kb``: of the largest process of that name. A process killed between two looks loses its last moments here."""

    cpu: dict[int, float] = field(default_factory=dict)
    peak_kb: int = 0

    @property
    def cpu_s(self) -> float:
        return sum(self.cpu.values())


class UsageBook:
    def __init__(self) -> None:
        self.by_name: dict[str, Usage] = {}

    def look(self, name: str, pids: Iterable[int]) -> None:
        usage = self.by_name.setdefault(name, Usage())
        for pid in pids:
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                status = Path(f"/proc/{pid}/status").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            usage.cpu[pid] = (int(fields[11]) + int(fields[12])) / TICKS
            line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
            usage.peak_kb = max(usage.peak_kb, int(line.split()[1]) if line else 0)


def with_children(pid: int | None) -> list[int]:
    """A master and its workers."""
    if pid is None:
        return []
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [pid, *map(int, text.split())]
