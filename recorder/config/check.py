"""The engine of ``recorder config check``: every problem of a set of files at once, in reading order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from recorder.config.board_layer import below_board, board_layer, usable_module
from recorder.config.fallback import set_aside
from recorder.config.layers import Layer, read_layer
from recorder.config.load import not_from_afar
from recorder.config.problems import Problem
from recorder.config.validate import validate


def check_files(files: Iterable[Path], defaults: Layer) -> tuple[Problem, ...]:
    """Check ``files`` as layers over the defaults, lowest first, with the board file they name.

    Each file is also checked on its own, so that a value which a higher layer happens to cover is found as well; rules
    between settings are checked even while other settings are in error.
    """
    layers, problems = [defaults], list[Problem]()
    for file in files:
        layer = read_layer(file)
        if isinstance(layer, Problem):
            problems.append(layer)
        else:
            layers.append(layer)
            problems += _alone(defaults, layer)
    board, unusable = board_layer(layers)
    problems += unusable
    if board is not None:
        layers.insert(1, board)
        problems += _alone(defaults, board)
    problems += usable_module(layers)[1]
    outcome = validate(layers)
    problems += outcome.problems
    if outcome.config is None:
        cured, taken = set_aside(layers, rules=False)
        problems += validate(cured, skip=taken).problems
    return _in_reading_order(problems, layers)


def check_board(file: Path, defaults: Layer) -> tuple[Problem, ...]:
    """Check a board file by itself: what is wrong in it, and between its devices."""
    layer = read_layer(file, "board")
    if isinstance(layer, Problem):
        return (layer,)
    board, problems = below_board(layer)
    outcome = validate([defaults, board])
    problems += (problem for problem in outcome.problems if problem.place.source == board.name)
    if outcome.config is None:
        cured, taken = set_aside([defaults, board], rules=False)
        found = validate(cured, skip=taken).problems
        problems += (problem for problem in found if problem.place.source == board.name)
    return _in_reading_order(problems, [defaults, board])


def _alone(defaults: Layer, layer: Layer) -> Iterable[Problem]:
    alone = validate([defaults, layer])
    if alone.config is not None:
        return ()  # the rules hold for the whole only
    present = zip(alone.problems, alone.offending, strict=True)
    return [problem for problem, path in present if problem.path == path]  # what is missing may stand in another layer


def _in_reading_order(problems: Iterable[Problem], layers: Sequence[Layer]) -> tuple[Problem, ...]:
    order = {layer.name: number for number, layer in enumerate(layers)}
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda each: (order.get(each.place.source, -1), each.place.line or 0)))


def check_pushed(file: Path, defaults: Layer) -> tuple[Problem, ...]:
    """Check a layer that is to be pushed to units: by itself over the defaults, and whether it may be. What a unit's own
    files say is not known here; the unit checks again."""
    layer = read_layer(file, "pushed")
    if isinstance(layer, Problem):
        return (layer,)
    return _in_reading_order((*not_from_afar(layer), *_alone(defaults, layer)), [defaults, layer])
