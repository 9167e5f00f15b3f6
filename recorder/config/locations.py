"""TOML text to data plus the line and column of every key.

The standard library's parser keeps no locations (python/cpython#115516 was closed). This module loads a private copy of
it and wraps three of its functions; ``tomllib`` itself stays untouched. The names are private, so a property test compares
data and positions with ``tomllib`` and, should a future Python move them, parsing goes on without lines.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from recorder.config.problems import KeyPath

_HOOKS = ("key_value_rule", "create_dict_rule", "create_list_rule", "parse_key", "loads")
_ERROR_AT = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """``where`` maps key paths to (line, column); list-of-table elements have their position in the path. Keys of inline
    tables are not in it: :meth:`locate` falls back to the nearest key above."""

    data: dict[str, Any]
    where: dict[KeyPath, tuple[int, int]]

    def locate(self, path: KeyPath) -> tuple[int, int] | None:
        """Line and column of ``path`` or of the nearest key above it."""
        for end in range(len(path), 0, -1):
            if (found := self.where.get(path[:end])) is not None:
                return found
        return None


class TomlSyntaxError(ValueError):
    """Not TOML. ``line`` and ``column`` count from 1; at the end of the text they point behind its last character."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


def parse(text: str) -> Parsed:
    """Parse a TOML 1.0 document. Raises :class:`TomlSyntaxError`."""
    parser = _private_parser()
    try:
        if parser is None:
            return Parsed(tomllib.loads(text), {})
        try:
            return _Recorder(parser, text).run()
        except (AttributeError, IndexError, TypeError):  # the private parts changed their shape: the data matter more
            return Parsed(tomllib.loads(text), {})
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(error, text) from error
    except RecursionError as error:  # "[[[[…": a damaged file must not end the program
        raise TomlSyntaxError("nested too deeply", 1, 1) from error


def _syntax_error(error: tomllib.TOMLDecodeError, text: str) -> TomlSyntaxError:
    lines = text.replace("\r\n", "\n").split("\n")
    match = _ERROR_AT.match(str(error))
    if match is None:
        return TomlSyntaxError(str(error), 1, 1)
    if match["line"] is None:
        return TomlSyntaxError(match["what"], len(lines), len(lines[-1]) + 1)
    return TomlSyntaxError(match["what"], int(match["line"]), int(match["column"]))


def _private_parser() -> ModuleType | None:
    """A fresh copy of the parser module, or None when its insides are not the ones known here."""
    original = sys.modules.get(f"{tomllib.__name__}._parser")
    if original is None or original.__file__ is None:
        return None
    spec = importlib.util.spec_from_file_location(f"{tomllib.__name__}._recorder_copy", original.__file__)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not all(callable(getattr(module, name, None)) for name in _HOOKS):
        return None
    # The copy has its own exception class; callers know the real one.
    vars(module)["TOMLDecodeError"] = tomllib.TOMLDecodeError
    return module


class _Recorder:
    """Notes positions while the private parser runs. ``lists`` counts the elements of every list of tables seen."""

    def __init__(self, parser: ModuleType, text: str) -> None:
        self._parser = parser
        self._text = text
        self._normal = text.replace("\r\n", "\n")
        self._where: dict[KeyPath, tuple[int, int]] = {}
        self._lists: dict[tuple[str, ...], int] = {}

    def run(self) -> Parsed:
        space = vars(self._parser)
        self._key_value, self._dict, self._list = (space[name] for name in _HOOKS[:3])
        space["key_value_rule"], space["create_dict_rule"], space["create_list_rule"] = (
            self._kv,
            self._table,
            self._array,
        )
        return Parsed(self._parser.loads(self._text), self._where)

    def _line_column(self, position: int) -> tuple[int, int]:
        before = self._normal.rfind("\n", 0, position) + 1
        return self._normal.count("\n", 0, position) + 1, position - before + 1

    def _full(self, header: tuple[str, ...]) -> KeyPath:
        full: list[str | int] = []
        for end, name in enumerate(header, start=1):
            full.append(name)
            if count := self._lists.get(header[:end]):
                full.append(count - 1)
        return tuple(full)

    def _note(self, path: KeyPath, position: int) -> None:
        """``[a.b]`` and ``a.b = 1`` also make the table ``a``, which is where they first name it."""
        place = self._line_column(position)
        for end in range(1, len(path)):
            self._where.setdefault(path[:end], place)
        self._where[path] = place

    def _kv(self, src: str, pos: int, out: Any, header: tuple[str, ...], *rest: Any) -> Any:
        _, key = self._parser.parse_key(src, pos)
        self._note((*self._full(header), *key), pos)
        return self._key_value(src, pos, out, header, *rest)

    def _table(self, src: str, pos: int, out: Any) -> Any:
        result = self._dict(src, pos, out)
        self._note(self._full(tuple(result[1])), pos)
        return result

    def _array(self, src: str, pos: int, out: Any) -> Any:
        result = self._list(src, pos, out)
        header = tuple(result[1])
        self._lists[header] = self._lists.get(header, 0) + 1
        for inner in [key for key in self._lists if key != header and key[: len(header)] == header]:
            del self._lists[inner]
        self._note(self._full(header), pos)
        return result
