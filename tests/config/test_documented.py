"""docs/configuration.md describes every setting there is, and none there is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from recorder.config import schema
from tools.config_table import COMMAND, DEFAULTS, DOCUMENT, settings, table, with_table

_ROW = re.compile(r"^\| `([A-Za-z0-9_.*-]+)` \| .+ \| (.*) \|$", re.MULTILINE)


def keys(node: dict[str, Any], definitions: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Every setting of the schema; ``*`` for a name anybody chooses."""
    for kind in (node, *node.get("anyOf", ()), *node.get("allOf", ())):
        if "$ref" in kind:
            kind = definitions[kind["$ref"].rpartition("/")[2]]
        if kind.get("properties"):
            for name, child in kind["properties"].items():
                yield from keys(child, definitions, (*path, name))
            return
        named = [kind.get("additionalProperties"), *kind.get("patternProperties", {}).values()]
        for child in named:
            if isinstance(child, dict) and (found := list(keys(child, definitions, (*path, "*")))) != [
                ".".join((*path, "*"))
            ]:
                yield from found
                return
    yield ".".join(path)


@pytest.fixture(scope="module")
def described() -> dict[str, str]:
    text = DOCUMENT.read_text(encoding="utf-8")
    return dict(_ROW.findall(text[text.index("## 全部配置项") :]))


def test_every_setting_of_the_schema_is_described_and_nothing_else(described: dict[str, str]) -> None:
    full = schema.full_schema()
    wanted = list(keys(full, full["$defs"]))
    assert {"commands.allow", "commands.max_term_h", "cameras.*.width", "board.camera.*.index"} <= set(wanted)
    assert sorted(set(wanted) ^ set(described)) == []
    assert [key for key, words in described.items() if len(words) < 5] == []


def test_the_table_is_as_the_defaults_have_it() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    made = table(settings(DEFAULTS.read_text(encoding="utf-8")))
    assert with_table(document, made) == document, COMMAND


def test_a_comment_that_goes_on_and_a_hash_in_quotes() -> None:
    text = """[a]          # of the section
one = "#1 # 2"   # first | part
                 # and more
two = 2
# of the next
[indicators.standby]
light = 1        # all of them
[indicators.other]
light = 2
"""
    found = settings(text)
    assert [(each.key, each.default, each.comment) for each in found] == [
        ("a.one", '"#1 # 2"', "first | part and more"),
        ("a.two", "2", ""),
        ("indicators.*.light", "1", "all of them"),
    ]
    assert "first \\| part and more" in table(found)


def test_a_document_without_a_place_for_the_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="keys"):
        with_table("no such place", "")
