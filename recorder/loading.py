"""Parts loaded by name, so that nothing here imports a driver or the simulator (kept by import-linter)."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import cast

from firmware_bridge.ports import BoardModule, Clock, DiagnosableBoard


class BoardLoadError(Exception):
    """The module named in ``[board] module`` cannot be used."""


def load_board_module(name: str) -> BoardModule:
    """Import ``name`` and check that it provides ``unit_board`` and ``capture_board``."""
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise BoardLoadError(f"board.module = {name!r}: 无法加载 cannot be imported: {error}") from error
    missing = [function for function in ("unit_board", "capture_board") if not hasattr(module, function)]
    if missing:
        raise BoardLoadError(f"board.module = {name!r}: 缺少 lacks {', '.join(missing)}")
    return cast(BoardModule, module)


def load_diagnosis(name: str) -> DiagnosableBoard | None:
    """The same module where it can look at its devices (``recorder doctor``), else None. Raises BoardLoadError."""
    module = load_board_module(name)
    return cast(DiagnosableBoard, module) if hasattr(module, "diagnose") else None


def system_clock() -> Clock:
    """The real clock, for the processes that have no board (command line, verifier)."""
    module = importlib.import_module("firmware_bridge.clock")
    return cast(Clock, module.SystemClock())


def clock_module(board_module: str) -> str:
    """Name of the module that has the clock of the machine this board is on: ``machine_clock`` beside the board, where the
    machine itself is simulated; empty where it is this one."""
    package = board_module.rpartition(".")[0]
    name = f"{package}.machine_clock"
    try:
        return name if package and importlib.util.find_spec(name) is not None else ""
    except ImportError:  # no such package: who needs the board says so
        return ""


def machine_clock(name: str, options: Mapping[str, str]) -> Clock:
    """``name``: from :func:`clock_module`; ``options``: the board's. Raises what the module raises."""
    if not name:
        return system_clock()
    return cast(Clock, importlib.import_module(name).machine_clock(options))
