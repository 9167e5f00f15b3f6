"""What ``board.file`` and ``board.module`` name: the board file as a layer of its own; whether the module is there."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from recorder.config.keys import closest
from recorder.config.layers import Layer, lookup, merge, read_layer
from recorder.config.locations import Parsed
from recorder.config.paths import boards_dir
from recorder.config.problems import KeyPath, Place, Problem

FILE: Final[KeyPath] = ("board", "file")
MODULE: Final[KeyPath] = ("board", "module")
_NOT_OF_A_BOARD: Final = ("file", "module", "options")
"""Keys of ``[board]`` that a board file may not have: it says what is soldered on, not which program drives it."""


def board_layer(layers: Sequence[Layer]) -> tuple[Layer | None, list[Problem]]:
    """The file that ``layers`` (lowest first) name in ``board.file``, without what does not belong into it, and what is
    wrong; no layer when none is named or when it cannot be read."""
    merged = merge(layers)
    try:
        name = lookup(merged.data, FILE)
    except KeyError:
        return None, []
    if not isinstance(name, str) or not name:
        return None, []  # a wrong type is found with all the others
    path = board_path(name, merged.origins[FILE])
    layer = read_layer(path, "board")
    if isinstance(layer, Problem):
        return None, [_unusable(name, layer, merged.place(FILE), path)]
    return below_board(layer)


def usable_module(layers: Sequence[Layer]) -> tuple[list[Layer], list[Problem]]:
    """``layers`` without each ``board.module`` that cannot be found: without a driver nothing would record."""
    current, problems = list(layers), list[Problem]()
    while True:
        merged = merge(current)
        origin = merged.origins.get(MODULE)
        name = lookup(merged.data, MODULE) if origin is not None else None
        if origin is None or origin.kind == "defaults" or not isinstance(name, str) or _found(name):
            return current, problems
        zh, en = "找不到此模块", "there is no such module"
        problems.append(Problem(merged.place(MODULE), MODULE, f"{zh}（{name}）", f"{en} ({name})"))
        current = [layer.without(MODULE) if layer is origin else layer for layer in current]


def _found(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # its package is not there; not a name at all
        return False


def below_board(layer: Layer) -> tuple[Layer, list[Problem]]:
    """A board file's settings and places one table deeper, less what does not belong into it."""
    refused = [
        Problem(layer.place((key,)), (key,), "板卡文件中不能有此项", "does not belong into a board file")
        for key in _NOT_OF_A_BOARD
        if key in layer.data
    ]
    for key in _NOT_OF_A_BOARD:
        layer = layer.without((key,))
    where = {("board", *path): place for path, place in layer.parsed.where.items()}
    return Layer(layer.name, layer.kind, Parsed({"board": layer.data}, where)), refused


def board_path(name: str, named_in: Layer) -> Path:
    """A plain name is a shipped file's; a path is taken from the folder of the file that names it."""
    if "/" not in name and not name.endswith(".toml"):
        return boards_dir() / f"{name}.toml"
    return Path(named_in.name).parent / name if named_in.kind == "file" else Path(name)


def shipped_boards() -> list[str]:
    return sorted(path.stem for path in boards_dir().glob("*.toml"))


def _unusable(name: str, problem: Problem, place: Place, path: Path) -> Problem:
    """A name nobody ships is wrong where it is written; a file that is there and unreadable is wrong itself."""
    if problem.place.line is not None or path.exists():
        return problem
    known = shipped_boards()
    near = closest(name, known)
    zh, en = (f"，是否应为 '{near}'？", f", did you mean '{near}'?") if near else ("", "")
    listed = ", ".join(known)
    return Problem(
        place,
        FILE,
        f"没有板卡文件 {name}{zh}（现有：{listed}；或写路径）",
        f"there is no board file {name}{en} (shipped: {listed}; or give a path)",
    )
