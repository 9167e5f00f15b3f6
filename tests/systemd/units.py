"""The shipped system files, and copies of units that can be checked where the recorder is not installed."""

from __future__ import annotations

from pathlib import Path

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path for path in SYSTEMD.iterdir() if path.suffix in (".service", ".socket", ".target", ".path"))
SERVICES = [path for path in UNITS if path.suffix == ".service"]

PROGRAMS = ("/usr/bin/recorder", "/usr/lib/zfy-recorder/bin/python3", "/usr/lib/zfy-recorder/await-data")


def lay_out(folder: Path) -> dict[str, Path]:
    """Copies of all units whose program exists: the check must complain about the unit, not about what is not installed
    here. All of them, because a socket is checked together with its service."""
    copies = {}
    for unit in UNITS:
        copy = folder / unit.name
        text = unit.read_text(encoding="utf-8")
        for program in PROGRAMS:
            text = text.replace(program, "/bin/true")
        copy.write_text(text, encoding="utf-8")
        copies[unit.name] = copy
    return copies


def setting(unit: Path, key: str) -> list[str]:
    """The values of every ``key=`` line of a unit, in order."""
    lines = unit.read_text(encoding="utf-8").splitlines()
    return [line.split("=", 1)[1] for line in lines if line.startswith(f"{key}=")]
