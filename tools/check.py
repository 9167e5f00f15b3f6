"""``./dev check``: every static check, all of them even when one fails, then one line each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from firmware_bridge.clock import SystemClock

ROOT = Path(__file__).resolve().parents[1]

STEPS: dict[str, tuple[str, ...]] = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--check", "."),
    "mypy": ("mypy",),
    "mypy tools": ("mypy", "-p", "tools"),
    "import-linter": ("lint-imports", "--no-cache"),
    "schema drift": (sys.executable, "-m", "tools.check_schema"),
    "table of settings": (sys.executable, "-m", "tools.config_table"),
    "requirements": (sys.executable, "-m", "tools.check_requirements"),
    "runtime requirements": (sys.executable, "-m", "tools.runtime_requirements", "--check"),
    "licences": (sys.executable, "-m", "tools.check_licences"),
}


def main() -> None:
    clock = SystemClock()
    failed = []
    lines = []
    for name, command in STEPS.items():
        click.echo(f"== {name} ==")
        start = clock.boottime_us()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        seconds = (clock.boottime_us() - start) / 1e6
        lines.append(f"{'ok    ' if code == 0 else 'FAILED'} {name} ({seconds:.1f} s)")
        if code != 0:
            failed.append(name)
    click.echo("== check ==")
    for line in lines:
        click.echo(line)
    click.echo(f"{len(STEPS) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
