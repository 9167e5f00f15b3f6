"""Configuration layers and the one function that merges them, remembering where every value came from.

``defaults < board file < agency < unit < pushed < environment``: tables are merged key by key, everything else (lists
too) is replaced by the higher layer as a whole.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from recorder.config.locations import Parsed, TomlSyntaxError, parse
from recorder.config.problems import KeyPath, Place, Problem

ENV_PREFIX = "RECORDER__"

LayerKind = Literal["defaults", "board", "file", "pushed", "environment"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings. ``name`` is what users see (a path, ``environment``); ``places`` overrides ``parsed.where``
    for layers that are not files."""

    name: str
    kind: LayerKind
    parsed: Parsed
    places: Mapping[KeyPath, Place] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        return self.parsed.data

    def place(self, path: KeyPath) -> Place:
        """Where ``path``, or the nearest key above it, stands in this layer."""
        for end in range(len(path), 0, -1):
            if (place := self.places.get(path[:end])) is not None:
                return place
        at = self.parsed.locate(path)
        return Place(self.name, *at) if at else Place(self.name)

    def without(self, path: KeyPath) -> Layer:
        """This layer less the value at ``path``; unchanged when it has none."""
        data = copy.deepcopy(self.data)
        node: Any = data
        for part in path[:-1]:
            if not has(node, part):
                return self
            node = node[part]
        if not path or not has(node, path[-1]):
            return self
        del node[path[-1]]
        return replace(self, parsed=Parsed(data, self.parsed.where))


@dataclass(frozen=True, slots=True)
class Merged:
    """``origins`` names, for each key path with a value of its own, the layer that won."""

    data: dict[str, Any]
    origins: dict[KeyPath, Layer]

    def place(self, path: KeyPath) -> Place:
        """Where the value at ``path`` was written; for a missing key, the place of the table it is missing from."""
        for end in range(len(path), 0, -1):
            if (layer := self.origins.get(path[:end])) is not None:
                return layer.place(path)
        return Place("?")


def has(node: Any, part: str | int) -> bool:
    """Whether a table has this key or a list this position."""
    if isinstance(node, dict):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and 0 <= part < len(node)


def lookup(data: Any, path: KeyPath) -> Any:
    """The value at ``path``; KeyError when there is none."""
    for part in path:
        if not has(data, part):
            raise KeyError(path)
        data = data[part]
    return data


def existing(data: Any, path: KeyPath) -> KeyPath:
    """The longest part of ``path`` that is there: for a missing key, the table it is missing from."""
    for end, part in enumerate(path):
        if not has(data, part):
            return path[:end]
        data = data[part]
    return path


def merge(layers: Sequence[Layer]) -> Merged:
    """Merge from lowest to highest. Inputs are not changed and share nothing with the result."""
    data: dict[str, Any] = {}
    origins: dict[KeyPath, Layer] = {}
    for layer in layers:
        _merge_table(data, layer.data, (), layer, origins)
    return Merged(data, origins)


def _merge_table(
    into: dict[str, Any], table: Mapping[str, Any], base: KeyPath, layer: Layer, origins: dict[KeyPath, Layer]
) -> None:
    for key, value in table.items():
        path = (*base, key)
        origins[path] = layer
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                _forget(origins, path)
                into[key] = {}
            _merge_table(into[key], value, path, layer, origins)
        else:
            if isinstance(into.get(key), dict):
                _forget(origins, path)
            into[key] = copy.deepcopy(value)


def _forget(origins: dict[KeyPath, Layer], path: KeyPath) -> None:
    for inner in [key for key in origins if len(key) > len(path) and key[: len(path)] == path]:
        del origins[inner]


# --- reading layers --------------------------------------------------------------------------------------------------


def read_layer(path: Path, kind: LayerKind = "file") -> Layer | Problem:
    """Read a TOML file. A file that cannot be read or parsed is a :class:`Problem`, never an exception."""
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        return Problem(Place(str(path)), (), f"无法读取：{reason}", f"cannot be read: {reason}")
    return parse_layer(str(path), raw, kind)


def parse_layer(name: str, raw: bytes, kind: LayerKind = "file") -> Layer | Problem:
    """Parse the bytes of a TOML file. Windows habits are met half-way: a BOM is skipped, a GBK file is named as such."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = Place(name, before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1)
        return Problem(
            place,
            (),
            "不是 UTF-8 文本（可能是 GBK 编码），请以 UTF-8 保存",
            "not UTF-8 text (perhaps GBK), save it as UTF-8",
        )
    try:
        return Layer(name, kind, parse(text))
    except TomlSyntaxError as error:
        return Problem(Place(name, error.line, error.column), (), f"TOML 语法错误：{error}", f"TOML syntax: {error}")


def environment_layer(
    env: Mapping[str, str], below: Mapping[str, Any], is_text: Callable[[KeyPath], bool]
) -> tuple[Layer, list[Problem]]:
    """``RECORDER__SECTION__KEY=value`` as the topmost layer.

    Names are matched to the keys of ``below`` without regard to case and with ``_`` for ``-`` (a variable's name can hold
    neither). The value is a TOML value; where the setting is text (``is_text``) or the value is no TOML, it is taken as it
    stands, so that ``RECORDER__UPLINK__STORE_URL=https://…`` needs no quotes.
    """
    data: dict[str, Any] = {}
    places: dict[KeyPath, Place] = {}
    problems = []
    for name in sorted(env):
        if not name.startswith(ENV_PREFIX):
            continue
        place = Place(f"env {name}")
        parts = name.removeprefix(ENV_PREFIX).split("__")
        if not all(parts):
            problems.append(
                Problem(place, (), "名称应为 RECORDER__节__键", "the name should be RECORDER__SECTION__KEY")
            )
            continue
        path = _match(parts, below)
        node = data
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or isinstance(node.get(path[-1]), dict):
            problems.append(Problem(place, path, "与另一个环境变量冲突", "contradicts another environment variable"))
            continue
        node[path[-1]] = _env_value(env[name], text=is_text(path))
        places[path] = place
        for end in range(1, len(path)):
            places.setdefault(path[:end], place)
    return Layer("environment", "environment", Parsed(data, {}), places), problems


def _match(parts: Sequence[str], below: Mapping[str, Any]) -> tuple[str, ...]:
    path = []
    node: Any = below
    for part in parts:
        wanted = part.lower().replace("-", "_")
        keys = node if isinstance(node, Mapping) else {}
        key = next((key for key in keys if key.lower().replace("-", "_") == wanted), part.lower())
        path.append(key)
        node = keys.get(key)
    return tuple(path)


def _env_value(raw: str, *, text: bool) -> Any:
    quoted = len(raw) >= 2 and raw[0] == raw[-1] and raw[0] in "\"'"
    if text and not quoted:
        return raw
    try:
        parsed = tomllib.loads(f"v = {raw}")
    except tomllib.TOMLDecodeError:
        return raw
    return parsed["v"] if parsed.keys() == {"v"} else raw  # a line feed in the value must not make further keys
