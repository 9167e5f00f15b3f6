"""Are ``config/schema*.json`` what the models say, and do the shipped example layers and board files pass the check?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from recorder.config import schema
from recorder.config.check import check_board, check_files
from recorder.config.layers import read_layer
from recorder.config.problems import Problem

CONFIG = Path(__file__).resolve().parents[1] / "config"
EXAMPLES = ("body-worn.toml", "vehicle.toml")


def findings(directory: Path) -> list[str]:
    """One line for each thing wrong in ``directory``."""
    lines = [
        f"{directory / name}: 与模型不符 is not what the models say: ./dev run recorder config schema --write config"
        for name in schema.drifted(directory)
    ]
    defaults = read_layer(directory / "defaults.toml", "defaults")
    if isinstance(defaults, Problem):
        return [*lines, str(defaults)]
    # Without keys the defaults cannot be complete; nothing else may be wrong with them.
    lines += [str(problem) for problem in check_files([], defaults) if not problem.tolerable]
    for name in EXAMPLES:
        lines += map(str, check_files([directory / name], defaults))
    for board in sorted((directory / "boards").glob("*.toml")):
        lines += map(str, check_board(board, defaults))
    return lines


def main() -> None:
    found = findings(CONFIG)
    for line in found:
        click.echo(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
