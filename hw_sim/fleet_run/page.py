"""The run's part of docs/fleet-scale.md."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hw_sim.fleet_run.marked import replaced
from hw_sim.fleet_run.report import table

SECTION = Path(__file__).with_name("section.md")


def command(values: dict[str, Any]) -> str:
    plan = values["plan"]
    seed = "" if plan["seed"] == 1 else f" --seed {plan['seed']}"
    faults = "" if plan["faults"] else " --no-faults"
    return f"./dev run hw-sim fleet --units {plan['units']}{seed}{faults}"


def section(values: dict[str, Any]) -> str:
    """Without the marks."""
    plan = values["plan"]
    return SECTION.read_text(encoding="utf-8").format(
        command=command(values),
        units=values["units"],
        cores=values["cores"],
        instances=plan["instances"],
        table=table(values),
    )


def write_section(path: Path, values: dict[str, Any]) -> None:
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(replaced(page, section(values)), encoding="utf-8")
