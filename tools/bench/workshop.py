"""What every row gets: a clock, folders, how long to take, and how to run one of our own jobs as a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.ports import Clock
from tools.bench.measure import Usage, run
from tools.bench.model import Line, MeasurementError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Workshop:
    """``cache`` keeps what takes long to make (encoded streams) between runs; ``say`` prints a line of progress."""

    clock: Clock
    cache: Path
    quick: bool
    say: Callable[[str], None]

    def count(self, full: int, quick: int) -> int:
        """How often, or how much of something."""
        return quick if self.quick else full

    @contextmanager
    def folder(self, name: str) -> Iterator[Path]:
        """A folder beside the cache, on the same disk, removed afterwards."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.cache))
        try:
            yield path
        finally:
            shutil.rmtree(path)

    def job(self, name: str, *arguments: str) -> tuple[Usage, dict[str, Any]]:
        """Run ``tools.bench.jobs.NAME`` as a process; its last line of output is a JSON object."""
        usage = run([sys.executable, "-m", f"tools.bench.jobs.{name}", *arguments], self.clock, cwd=ROOT)
        lines = usage.stdout.splitlines()
        try:
            answer = json.loads(lines[-1]) if lines else None
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise MeasurementError(f"{name}: {lines[-1:]}: 不是 JSON 对象 no JSON object")
        return usage, answer


@dataclass(frozen=True, slots=True)
class Row:
    """``measure`` gives the lines of the table; raises Unavailable or MeasurementError."""

    name: str
    zh: str
    en: str
    measure: Callable[[Workshop], Sequence[Line]]
