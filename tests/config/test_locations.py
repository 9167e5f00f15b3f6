"""The private parser copy says exactly what tomllib says, and knows where every key stands."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config import locations
from recorder.config.locations import TomlSyntaxError, parse
from recorder.config.problems import KeyPath

BARE = st.text("abcdefgh_-", min_size=1, max_size=6)
QUOTED = st.text("ab.c \"'#=[]中文\\", min_size=0, max_size=6).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
KEY = st.one_of(BARE, BARE, QUOTED)
VALUE = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.booleans().map(lambda value: "true" if value else "false"),
    st.sampled_from(['"text"', '"# no comment"', "'a = [b]'", '"""\nx = 1\n[y]\n"""', "1979-05-27", "1e3", "[]"]),
    st.sampled_from(["[1,\n  2, # two\n]", "{ x = 1, y.z = 2 }", '[{ q = "]" }]', '"""\r\n[x]\r\n"""']),
)
LINE = st.tuples(st.text(" \t", max_size=3), st.lists(KEY, min_size=1, max_size=3), VALUE)
HEADER = st.tuples(st.sampled_from(["[", "[["]), st.lists(KEY, min_size=1, max_size=3), st.text(" \t", max_size=2))
NOISE = st.sampled_from(["", "# 注释 = [x]", "   ", "\t# [not.a.table]"])


@dataclass
class Document:
    """TOML text under construction, with the places its own writer put the keys at."""

    lines: list[str] = field(default_factory=list)
    keys: list[tuple[int, int, str]] = field(default_factory=list)
    """(line, column, first part of the key as written)"""


@st.composite
def documents(draw: st.DrawFn) -> Document:
    document = Document()
    count = 1
    for _ in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(["line", "line", "header", "noise"]))
        if kind == "line":
            indent, key, value = draw(LINE)
            text = f"{indent}{'.'.join(key)} = {value}"
            document.keys.append((count, len(indent) + 1, key[0]))
        elif kind == "header":
            bracket, key, indent = draw(HEADER)
            text = f"{indent}{bracket}{'.'.join(key)}{']' * len(bracket)}"
            document.keys.append((count, len(indent) + 1, bracket + key[0]))
        else:
            text = draw(NOISE)
        document.lines.append(text)
        count += text.count("\n") + 1
    return document


def paths(node: Any, base: KeyPath = ()) -> set[KeyPath]:
    """All key paths of parsed data, but not what lies in arrays of values or inline tables' arrays."""
    found: set[KeyPath] = set()
    if isinstance(node, dict):
        for key, value in node.items():
            found |= {(*base, key)} | paths(value, (*base, key))
    elif isinstance(node, list) and node and all(isinstance(item, dict) for item in node):
        for index, item in enumerate(node):
            found |= {(*base, index)} | paths(item, (*base, index))
    return found


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_same_data_as_tomllib_and_every_key_in_its_place(document: Document, newline: str) -> None:
    text = newline.join(document.lines)
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        with pytest.raises(TomlSyntaxError) as caught:
            parse(text)
        assert str(caught.value) in str(error)
        return
    parsed = parse(text)
    assert parsed.data == expected
    assert set(parsed.where) <= paths(expected)
    written = {(line, column) for line, column, _ in document.keys}
    assert set(parsed.where.values()) == written  # every written key or header, and nothing else
    lines = text.replace("\r\n", "\n").split("\n")
    for line, column, start in document.keys:
        assert lines[line - 1][column - 1 :].startswith(start)
    for path in paths(expected):  # inline tables: the nearest key above
        assert parsed.locate(path) in written


@given(st.text("ab=[]{}\"'.#\n\r\\ 1", max_size=30))
def test_arbitrary_text_fails_exactly_where_tomllib_fails(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(TomlSyntaxError) as caught:
            parse(text)
        lines = text.replace("\r\n", "\n").split("\n")
        assert 1 <= caught.value.line <= len(lines)
        assert 1 <= caught.value.column <= len(lines[caught.value.line - 1]) + 1
    else:
        assert parse(text).data == expected


def test_positions_by_hand() -> None:
    parsed = parse("a = 1\r\n[b.c]\r\n  d . e = [1,\n2]\n[[x]]\ny = 1\n[[x]]\n[[x.z]]\nq = { r = 3 }\n")
    assert parsed.where[("a",)] == (1, 1)
    assert parsed.where[("b", "c")] == (2, 1)
    assert parsed.where[("b", "c", "d", "e")] == (3, 3)
    assert parsed.where[("x", 0, "y")] == (6, 1)
    assert parsed.where[("x", 1)] == (7, 1)
    assert parsed.where[("x", 1, "z", 0, "q")] == (9, 1)
    assert parsed.locate(("x", 1, "z", 0, "q", "r")) == (9, 1)
    assert parsed.locate(("nowhere",)) is None


def test_errors_at_the_end_of_the_text_point_behind_it() -> None:
    with pytest.raises(TomlSyntaxError) as caught:
        parse('a = 1\nb = """x')
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(TomlSyntaxError):
        parse("a = " + "[" * 100_000)


def test_without_the_private_parser_only_the_lines_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tomllib._parser")
    parsed = parse("a = 1")
    assert (parsed.data, parsed.where) == ({"a": 1}, {})
    with pytest.raises(TomlSyntaxError):
        parse("a = ")


def test_a_parser_of_another_shape_costs_only_the_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    private = locations._private_parser()
    assert private is not None

    def other_shape(src: str) -> None:
        raise AssertionError(src)

    def broken() -> ModuleType:
        vars(private)["parse_key"] = other_shape  # one argument instead of two
        return private

    monkeypatch.setattr(locations, "_private_parser", broken)
    assert parse("a = 1").data == {"a": 1}
