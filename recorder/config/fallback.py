"""What to run with when something is wrong. Pure: layers in, layers out.

Candidates, best first:

1. all layers as they are;
2. each layer with an error replaced by the version of it that last worked, or, where there is none, without the settings
   in error;
3. every layer without its settings in error;
4. everything as it last worked;
5. the shipped defaults.

A single setting is set aside rather than its whole file, because an agency file also holds the public keys and the store's
address: dropping it for a misspelt word would record unsealed. The first candidate without any error is taken; failing
that, the first with tolerable ones only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from recorder.config.layers import Layer, lookup
from recorder.config.problems import KeyPath
from recorder.config.validate import Outcome, validate

_MAX_ROUNDS = 64
"""One round uncovers what the last one covered, layer by layer; the bound only ends the unforeseen."""


def choose(
    layers: Sequence[Layer], first: Outcome, unreadable: Mapping[str, int], stored: Mapping[str, Layer]
) -> tuple[tuple[Layer, ...], Outcome]:
    """The layers to use and their outcome.

    ``first`` is the outcome of ``layers``, whose lowest are the defaults; ``unreadable`` maps the name of each layer that
    could not be read to its place in ``layers``, in order; ``stored`` are the last good layers by name.
    """
    tolerable: tuple[tuple[Layer, ...], Outcome] | None = None
    for candidate in _candidates(layers, first, unreadable, stored):
        outcome = validate(candidate)
        if outcome.config is None or outcome.blocking:
            continue
        if not outcome.errors:
            return tuple(candidate), outcome
        tolerable = tolerable or (tuple(candidate), outcome)
    return tolerable or (tuple(layers[:1]), validate(layers[:1]))


def _candidates(
    layers: Sequence[Layer], first: Outcome, unreadable: Mapping[str, int], stored: Mapping[str, Layer]
) -> Iterator[Sequence[Layer]]:
    if not stored.keys() & unreadable.keys():
        yield layers
    winners = {winner(layers, path) for path in (*first.offending, *first.suspect)}
    mended = [stored.get(layer.name, layer) if index in winners else layer for index, layer in enumerate(layers)]
    for name, index in reversed(list(unreadable.items())):
        if name in stored:
            mended.insert(index, stored[name])
    yield set_aside(mended)[0]
    yield set_aside(layers)[0]
    if stored:
        yield [layers[0], *(layer for layer in stored.values() if layer.kind != "defaults")]
    yield layers[:1]


def winner(layers: Sequence[Layer], path: KeyPath) -> int | None:
    """The index of the highest layer, the defaults excepted, that has a value at ``path``."""
    for index in range(len(layers) - 1, 0, -1):
        try:
            lookup(layers[index].data, path)
        except KeyError:
            continue
        return index
    return None


def set_aside(layers: Sequence[Layer], *, rules: bool = True) -> tuple[list[Layer], list[KeyPath]]:
    """``layers`` without the settings in error, and their paths: each is taken from the highest layer that has it, again
    and again until nothing blocks or nothing is left to take. ``rules=False``: stop as soon as all types are right."""
    current, taken = list(layers), list[KeyPath]()
    for _ in range(_MAX_ROUNDS):
        outcome = validate(current)
        if outcome.config is not None and not rules:
            break
        before = len(taken)
        # From the back of a list: taking an element moves those behind it.
        for path in sorted(set(outcome.offending), key=_list_order, reverse=True):
            if path and (index := winner(current, path)) is not None:
                current[index] = current[index].without(path)
                taken.append(path)
        if len(taken) == before:
            break
    return current, taken


def _list_order(path: KeyPath) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]
