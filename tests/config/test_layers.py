"""Merging keeps the highest value and remembers whose it was; the environment is a layer like the others."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from recorder.config.keys import is_text
from recorder.config.layers import Layer, environment_layer, existing, lookup, merge, parse_layer, read_layer
from recorder.config.locations import Parsed
from recorder.config.problems import KeyPath, Problem
from tests.config.conftest import layer_of

TREE = st.recursive(
    st.one_of(st.integers(), st.lists(st.integers(), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
TABLE = st.dictionaries(st.sampled_from("abc"), TREE, max_size=3)


def leaves(node: dict[str, Any], base: KeyPath = ()) -> dict[KeyPath, Any]:
    found: dict[KeyPath, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            found |= leaves(value, (*base, key))
        else:
            found[(*base, key)] = value
    return found


@given(st.lists(TABLE, max_size=4))
def test_every_value_comes_from_the_layer_named_as_its_origin(tables: list[dict[str, Any]]) -> None:
    before = copy.deepcopy(tables)
    layers = [Layer(str(number), "file", Parsed(table, {})) for number, table in enumerate(tables)]
    merged = merge(layers)
    assert tables == before  # inputs untouched
    for path, value in leaves(merged.data).items():
        winner = merged.origins[path]
        assert lookup(winner.data, path) == value
        for higher in layers[int(winner.name) + 1 :]:  # no higher layer has anything to say here
            there = existing(higher.data, path)
            assert there != path
            assert isinstance(lookup(higher.data, there), dict)
    assert set(merged.origins) >= set(leaves(merged.data))
    for path in merged.origins:
        lookup(merged.data, path)  # no origin of something that is gone


@given(TABLE, TABLE)
def test_the_highest_layer_is_always_in_force(low: dict[str, Any], high: dict[str, Any]) -> None:
    merged = merge([Layer("low", "file", Parsed(low, {})), Layer("high", "file", Parsed(high, {}))])
    for path, value in leaves(high).items():
        assert lookup(merged.data, path) == value


@given(TABLE)
def test_merging_a_layer_twice_changes_nothing(table: dict[str, Any]) -> None:
    layer = Layer("x", "file", Parsed(table, {}))
    assert merge([layer, layer]).data == table


def test_tables_merge_and_lists_are_replaced() -> None:
    merged = merge([layer_of("a = [1, 2]\n[t]\nx = 1\ny = 1"), layer_of("a = [3]\n[t]\ny = 2", "unit.toml")])
    assert merged.data == {"a": [3], "t": {"x": 1, "y": 2}}
    assert str(merged.place(("t", "x"))) == "agency.toml:3:1"
    assert str(merged.place(("t", "y"))) == "unit.toml:3:1"
    assert str(merged.place(("t", "missing"))) == "unit.toml:2:1"
    assert str(merged.place(("nowhere",))) == "?"


def test_without_removes_one_value_and_leaves_the_original() -> None:
    layer = layer_of("a = [1, 2, 3]\n[t]\nx = 1\ny = 2")
    assert layer.without(("t", "x")).data == {"a": [1, 2, 3], "t": {"y": 2}}
    assert layer.without(("a", 1)).data["a"] == [1, 3]
    for absent in ((), ("b",), ("a", 3), ("a", "x"), ("t", "x", "y"), ("t", "z")):
        assert layer.without(absent) is layer
    assert layer.data == {"a": [1, 2, 3], "t": {"x": 1, "y": 2}}


def test_a_bom_is_skipped_and_gbk_is_named() -> None:
    layer = parse_layer("f", b"\xef\xbb\xbfa = 1")
    assert isinstance(layer, Layer)
    assert layer.data == {"a": 1}
    gbk = parse_layer("f", 'a = 1\n# 备注\nb = "执法"'.encode("gbk"))
    assert isinstance(gbk, Problem)
    assert str(gbk.place) == "f:2:3"
    assert "GBK" in gbk.zh
    assert "GBK" in gbk.en


def test_unreadable_files_are_problems(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path, tmp_path / "a\0b"):
        problem = read_layer(path)
        assert isinstance(problem, Problem)
        assert str(path) in problem.text("zh")


def environment(env: dict[str, str]) -> tuple[dict[str, Any], list[Problem]]:
    below = merge([layer_of('[board.options]\nSocket-Path = "x"\n[indicators.clock-not-set]\ntone_hz = []')]).data
    layer, problems = environment_layer(env, below, is_text)
    return layer.data, problems


def test_environment_values_are_toml_or_text() -> None:
    data, problems = environment(
        {
            "RECORDER__CAPTURE__SEGMENT_S": "12.5",
            "RECORDER__NIGHT__LAMP": "false",
            "RECORDER__UPLINK__STORE_URL": "https://store:8443/#x",
            "RECORDER__DEVICE__ID": "123456",  # text, though it looks like a number
            "RECORDER__DEVICE__MODEL": '"quoted"',
            "RECORDER__BOARD__OPTIONS__SOCKET_PATH": "5000",
            "RECORDER__INDICATORS__CLOCK_NOT_SET__TONE_HZ": "[1, 2]",
            "RECORDER__CAMERAS__CAM0__WIDTH": "wide",
            "RECORDER__MQTT": "{ port = 1 }",
            "RECORDER__AUDIO__RATE": "1\nx = 2",
            "RECORDER_OTHER": "ignored",
            "recorder__device__id": "ignored",
        }
    )
    assert problems == []
    assert data == {
        "capture": {"segment_s": 12.5},
        "night": {"lamp": False},
        "uplink": {"store_url": "https://store:8443/#x"},
        "device": {"id": "123456", "model": "quoted"},
        "board": {"options": {"Socket-Path": "5000"}},
        "indicators": {"clock-not-set": {"tone_hz": [1, 2]}},
        "cameras": {"cam0": {"width": "wide"}},
        "mqtt": {"port": 1},
        "audio": {"rate": "1\nx = 2"},
    }


def test_environment_names_that_make_no_sense_are_problems() -> None:
    data, problems = environment(
        {"RECORDER__": "1", "RECORDER__A____B": "1", "RECORDER__C": "1", "RECORDER__C__D": "2"}
    )
    assert data == {"c": 1}
    assert [str(problem.place) for problem in problems] == [
        "env RECORDER__",
        "env RECORDER__A____B",
        "env RECORDER__C__D",
    ]


def test_environment_values_are_found_by_name() -> None:
    layer, _ = environment_layer({"RECORDER__CAPTURE__GOP_S": "9"}, {}, is_text)
    assert str(layer.place(("capture", "gop_s"))) == "env RECORDER__CAPTURE__GOP_S"
    assert str(layer.place(("capture", "gop_s", 0))) == "env RECORDER__CAPTURE__GOP_S"
