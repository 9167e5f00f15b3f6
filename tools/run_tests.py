"""``./dev test``: the suites one after another (one beneath the others), each with its minutes, then one plain line.

Suites are folders under ``tests/``: the named ones below are slow and run last; ``unit`` is all the rest. With a path among
the arguments only that is run; ``--ceph``, ``--package``, ``--rabbitmq`` and ``--virtual-pi`` run one suite alone and
whole. Results are left as JUnit XML in ``out/test-results/``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import click

from firmware_bridge.clock import SystemClock
from firmware_bridge.ports import Clock

ROOT = Path(__file__).resolve().parents[1]
SLOW_SUITES = ("integration", "kill", "bench", "brokers", "package", "interop", "simulation", "ceph", "virtual_pi")
WHOLE_SUITES = {
    "--ceph": "ceph",
    "--package": "package",
    "--interop": "interop",
    "--rabbitmq": "brokers",
    "--virtual-pi": "virtual_pi",
}
"""Flags that run one suite alone, with the parts of it that are left out otherwise (``RECORDER_WHOLE`` names it)."""

OPTIONAL_MIN = {"ceph": 12, "virtual_pi": 25}
"""Suites that run when their flag asks for them and every night; in CI only where this many minutes (with nothing cached)
are left of its bound. When one does not run, the summary has a line that says so and why."""
FLAG_OR_NIGHT = ("ceph",)
"""Of those: suites that CI leaves alone however much time is left (half a gigabyte to fetch on a fresh machine)."""

BESIDE_EACH_OTHER = {"quick": ("unit", "integration"), "ci": ("unit",), "nightly": ("unit",)}
"""Suites whose tests may run on several cores at once. The others play shifts in real time, with encoders and
processes that want the machine to themselves: on a desk two of them run side by side (minutes saved), in CI not."""

BENEATH = ("simulation",)
"""Suites that only compute, in a time of their own: they begin first and run beneath the others, on what these leave of
the cores (``SCHED_IDLE``, sched(7)), and are printed when their turn comes. The others wait much (real time, brokers,
disks): nothing of the machine lies idle, and no test in real time waits for a simulated one."""

MOST_WORKERS = 8
"""Each has what is made once for a session (SeaweedFS, a broker, nginx) to itself: more cost more than they save."""

NO_TESTS = 5
"""pytest's exit code when nothing was collected: fine for one suite under ``-k``, not for all of them."""

BOUND_MIN = {"quick": 15, "ci": 60, "nightly": None}


@dataclass(frozen=True, slots=True)
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass(frozen=True, slots=True)
class Suite:
    name: str
    paths: tuple[str, ...]


class Commands(Protocol):
    """How a pytest is run."""

    def call(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        """Run it in front, its output as it comes; returns its exit code (negative: the signal that ended it)."""

    def begin(self, command: Sequence[str], env: Mapping[str, str], output: Path) -> Callable[[], int]:
        """Start it beneath everything else, with all it prints in ``output``; what is returned waits for its exit code."""

    def end_all(self) -> None:
        """End what was begun and nobody waited for (an interrupt, an error)."""


class Processes:
    """The real :class:`Commands`."""

    def __init__(self) -> None:
        self._begun: list[subprocess.Popen[bytes]] = []

    def call(self, command: Sequence[str], env: Mapping[str, str]) -> int:
        return subprocess.run(command, env=dict(env), cwd=ROOT, check=False).returncode

    def begin(self, command: Sequence[str], env: Mapping[str, str], output: Path) -> Callable[[], int]:
        with output.open("wb") as out:
            process = subprocess.Popen(
                command, env=dict(env), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        # After the start, not in the child before it: what is set is inherited by all that pytest itself starts later.
        try:
            os.sched_setscheduler(process.pid, os.SCHED_IDLE, os.sched_param(0))
        except OSError as error:  # a container may forbid it: slower, and no less true
            click.echo(f"SCHED_IDLE: {error}")
        self._begun.append(process)
        return process.wait

    def end_all(self) -> None:
        for process in self._begun:
            process.terminate()
            process.wait()


def suites(tests: Path) -> list[Suite]:
    """The suites of the folder ``tests``; empty ones are left out."""
    entries = sorted(tests.iterdir())
    folders = [entry for entry in entries if entry.is_dir() and any(entry.rglob("test_*.py"))]
    unit = [entry for entry in folders if entry.name not in SLOW_SUITES]
    unit += [entry for entry in entries if entry.is_file() and entry.match("test_*.py")]
    found = [Suite("unit", tuple(f"{tests.name}/{entry.name}" for entry in unit))]
    names = {entry.name for entry in folders}
    found += [Suite(name, (f"{tests.name}/{name}",)) for name in SLOW_SUITES if name in names]
    return [suite for suite in found if suite.paths]


def counts(report: Path) -> Counts | None:
    """What a JUnit XML file says; None when there is none or it is torn (pytest itself was killed)."""
    try:
        root = ElementTree.parse(report).getroot()
    except (OSError, ElementTree.ParseError):
        return None
    total = Counts()
    for suite in root.iter("testsuite"):
        tests, skipped = int(suite.get("tests", "0")), int(suite.get("skipped", "0"))
        failed = int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        total += Counts(max(0, tests - failed - skipped), failed, skipped)
    return total


def tier(env: Mapping[str, str], nightly: bool) -> str:
    if nightly:
        return "nightly"
    return "ci" if env.get("CI") == "true" else "quick"


def left_out(suite: str, chosen: str, minutes: float) -> str:
    """Why an optional suite does not run in this set, so many minutes after its start; empty when it does."""
    flag = next(flag for flag, name in WHOLE_SUITES.items() if name == suite)
    need, bound = OPTIONAL_MIN[suite], BOUND_MIN[chosen]
    if chosen == "quick" or (chosen == "ci" and suite in FLAG_OR_NIGHT):
        return f"./dev test {flag} ({need} min 首次 the first time)"
    if bound is not None and minutes + need > bound:
        return f"已用 {minutes:.0f} min used, 它要 it needs {need} of {bound} min: ./dev test {flag}"
    return ""


def workers(suite: str, chosen: str, arguments: Sequence[str], cores: int) -> list[str]:
    """pytest-xdist's options for a suite, where it is to run on several cores: none for somebody who said how to run it.
    ``worksteal``: each worker begins with a part of the order and a file stays together, until one has nothing left.
    Three unit workers for two cores: half of what they do is wait."""
    if suite not in BESIDE_EACH_OTHER[chosen] or arguments or cores < 2:
        return []
    count = min(cores + cores // 2 if suite == "unit" else cores, MOST_WORKERS)
    return [f"--numprocesses={count}", "--dist=worksteal"]


def pytest_command(suite: Suite, results: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pytest", f"--junitxml={results / suite.name}.xml", *options, *suite.paths]


def run(
    arguments: Sequence[str],
    env: Mapping[str, str],
    clock: Clock,
    cores: int,
    commands: Commands,
    tests: Path,
    results: Path,
) -> int:
    """Run the suites and return the exit code."""
    chosen = tier(env, "--nightly" in arguments)
    rest = [argument for argument in arguments if argument != "--nightly" and argument not in WHOLE_SUITES]
    whole = [suite for flag, suite in WHOLE_SUITES.items() if flag in arguments]
    env = {**env, "RECORDER_TESTS": chosen, "RECORDER_WHOLE": " ".join(whole)}
    named = [argument for argument in rest if not argument.startswith("-") and Path(argument.split("::")[0]).exists()]
    todo = [Suite("selected", ())] if named else suites(tests)
    if whole and not named:
        todo = [suite for suite in todo if suite.name in whole]
    results.mkdir(parents=True, exist_ok=True)
    total, broken, lines, empty = Counts(), False, [], 0
    began = clock.boottime_us()
    beneath: dict[str, Callable[[], int]] = {}
    for suite in todo:
        if suite.name in BENEATH and len(todo) > 1 and not rest:
            (results / f"{suite.name}.xml").unlink(missing_ok=True)
            output = results / f"{suite.name}.log"
            beneath[suite.name] = commands.begin(pytest_command(suite, results), env, output)
            click.echo(f"== {suite.name} ({chosen}): 在其他各组之下运行 beneath the others, {output} ==")
    for suite in todo:
        if suite.name in OPTIONAL_MIN and suite.name not in whole:
            reason = left_out(suite.name, chosen, (clock.boottime_us() - began) / 60e6)
            if reason:
                lines.append(f"{suite.name}: 未运行 not run: {reason}")
                empty += 1
                continue
        report = results / f"{suite.name}.xml"
        click.echo(f"== {suite.name} ({chosen}) ==")
        start = clock.boottime_us()
        if suite.name in beneath:
            code = beneath[suite.name]()
            click.echo((results / f"{suite.name}.log").read_text(encoding="utf-8", errors="replace"))
            took = f"{(clock.boottime_us() - start) / 60e6:.1f} min 等待 waited for"
        else:
            report.unlink(missing_ok=True)
            code = commands.call(pytest_command(suite, results, *workers(suite.name, chosen, rest, cores), *rest), env)
            took = f"{(clock.boottime_us() - start) / 60e6:.1f} min"
        result = counts(report)
        if code == NO_TESTS:
            empty += 1
        elif code != 0 or result is None:
            broken = True
        lines.append(f"{suite.name}: {took}, {result or f'no result, pytest ended with {code}'}")
        total += result or Counts()
    minutes = (clock.boottime_us() - began) / 60e6
    bound = BOUND_MIN[chosen]
    over = f" (超过 over the {bound} min of this set)" if bound is not None and minutes > bound else ""
    click.echo("== suites ==")
    for line in lines:
        click.echo(line)
    click.echo(f"total: {minutes:.1f} min{over}")
    if not todo or empty == len(todo):
        click.echo("没有选中任何测试 no test was selected")
        broken = True
    click.echo(str(total))
    return 1 if broken or total.failed else 0


def main() -> None:
    commands = Processes()
    cores = len(os.sched_getaffinity(0))
    try:
        status = run(
            sys.argv[1:], os.environ, SystemClock(), cores, commands, ROOT / "tests", ROOT / "out" / "test-results"
        )
    finally:
        commands.end_all()
    sys.exit(status)


if __name__ == "__main__":
    main()
