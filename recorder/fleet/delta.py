"""What of the desired configuration a unit does not have, key by key. Pure.

A unit reports digests, not values: the agency has the texts. So the difference is worked out here, from the text that is
desired and the text the unit's layer has by its digest.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any


def values(toml: str) -> dict[str, Any]:
    """Every setting of a layer by its dotted key; empty for a text that is no TOML."""
    try:
        return _flat(tomllib.loads(toml), "")
    except tomllib.TOMLDecodeError:
        return {}


def delta(desired: str, layer: str | None, waiting: tuple[str, ...], covered: tuple[str, ...]) -> tuple[str, ...]:
    """Keys in which the unit differs from ``desired``. ``layer``: text of the layer the unit has, None when nobody knows it
    (then every key may differ); ``waiting`` and ``covered``: as the unit reports them."""
    wanted = values(desired)
    if layer is None:
        return tuple(sorted(wanted))
    had = values(layer)
    differing = {key for key in wanted.keys() | had.keys() if wanted.get(key) != had.get(key)}
    held_up = {key for key in wanted if any(_touches(key, other) for other in (*waiting, *covered))}
    return tuple(sorted(differing | held_up))


def _touches(key: str, other: str) -> bool:
    return key == other or key.startswith(f"{other}.") or other.startswith(f"{key}.")


def _flat(data: Mapping[str, Any], base: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        path = f"{base}.{key}" if base else key
        found |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return found
