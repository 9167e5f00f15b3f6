"""Every finding is placed, explained in both languages and, where possible, answered with a suggestion."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config.board_file import BoardDevices
from recorder.config.keys import annotation_at, fields, is_text, suggestion
from recorder.config.layers import Layer, lookup, merge, read_layer
from recorder.config.locations import Parsed
from recorder.config.messages import has_words, known
from recorder.config.models import RecorderConfig
from recorder.config.paths import defaults_file
from recorder.config.problems import KeyPath
from recorder.config.rules import SOCKET_PATH_BYTES
from recorder.config.validate import validate
from tests.config.conftest import KEY_A, KEY_B, SEALED, layer_of


def lines(defaults: Layer, text: str, language: Any = "en") -> list[str]:
    outcome = validate([defaults, layer_of(SEALED + text)])
    return [problem.text(language) for problem in outcome.problems]


def test_the_defaults_lack_nothing_but_the_agencys_keys(defaults: Layer) -> None:
    outcome = validate([defaults])
    assert outcome.config is not None
    assert [(problem.key, problem.tolerable) for problem in outcome.problems] == [("sealing.recipients", True)]
    assert lines(defaults, "") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[capture]\nsegmnt_s = 30", "agency.toml:4:1: capture.segmnt_s: unknown key, did you mean 'segment_s'?"),
        (
            "[uplink]\nsegment_s = 3",
            "agency.toml:4:1: uplink.segment_s: unknown key, did you mean 'capture.segment_s'?",
        ),
        (
            "[uplink]\nmetered_yield_h = 0",
            "agency.toml:4:1: uplink.metered_yield_h: must be at least 1 (got 0)",
        ),
        ("[uplnk]", "agency.toml:3:1: uplnk: unknown key, did you mean 'uplink'?"),
        ("[uplink]\nxyzzy = 3", "agency.toml:4:1: uplink.xyzzy: unknown key"),
        (
            "[cameras.cam0]\nframe_rate = 2500",
            "agency.toml:4:1: cameras.cam0.frame_rate: must be at most 60 (got 2500)",
        ),
        ("[cameras.cam0]\nwidth = 1921", "agency.toml:4:1: cameras.cam0.width: must be a multiple of 2 (got 1921)"),
        ("[cameras.cam1]\nwidth = 640", "agency.toml:3:1: cameras.cam1.height: missing"),
        ('[capture]\n  gop_s = "1"', 'agency.toml:4:3: capture.gop_s: should be a number (got "1")'),
        ("[capture]\nbuffer_mb = 6.5", "agency.toml:4:1: capture.buffer_mb: should be a whole number (got 6.5)"),
        ("[night]\nlamp = 1", "agency.toml:4:1: night.lamp: should be true or false (got 1)"),
        ("[night]\ndwell_s = nan", "agency.toml:4:1: night.dwell_s: should be a finite number (got NaN)"),
        ("[device]\nid = 1979-05-27", "agency.toml:4:1: device.id: should be text (in quotes)"),
        ('[device]\nlanguage = "de"', "agency.toml:4:1: device.language: must be 'zh' or 'en' (got \"de\")"),
        ('[device]\nid = "A1"', "agency.toml:4:1: device.id: use lower-case letters, digits and hyphens"),
        ('[cameras."Front"]', "agency.toml:3:1: cameras.Front: use lower-case letters, digits and hyphens"),
        ("[indicators.recordng]", "agency.toml:3:1: indicators.recordng: unknown key, did you mean 'recording'?"),
        (
            "[indicators.fault.light]\nblue = [1]",
            "agency.toml:4:1: indicators.fault.light.blue: must be 'red', 'green'",
        ),
        ("[[audio]]", "agency.toml:3:1: audio: should be a table"),
        (
            "[controls]\nstart = { kind = 3 }",
            "agency.toml:4:1: controls.start.kind: must be 'press', 'double' or 'hold'",
        ),
    ],
)
def test_types_and_names(defaults: Layer, text: str, expected: str) -> None:
    assert any(line.startswith(expected) for line in lines(defaults, text)), lines(defaults, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[night]\non_below_lux = 12", "agency.toml:4:1: night.on_below_lux: off_above_lux (12) must be greater"),
        ('[controls.stop]\nkind = "press"', "agency.toml:4:1: controls.stop.kind: stop and start are the same gesture"),
        ('[controls.mark]\nbutton = "record"', "agency.toml:4:1: controls.mark.button: mark and start are the same"),
        ("[uplink]\nbackoff_max_s = 1", "agency.toml:4:1: uplink.backoff_max_s: backoff_base_s (2) must not exceed"),
        (
            "[supervision]\nrestart_backoff_s = 11",
            "agency.toml:4:1: supervision.restart_backoff_s: restart_backoff_s (11)",
        ),
        ('[uplink]\nstore_url = "http://store"', "agency.toml:4:1: uplink.store_url: should be https://"),
        ('[uplink]\nstore_url = "https://a:b@store"', "agency.toml:4:1: uplink.store_url: should be https://"),
        ('[uplink]\nstore_url = "https://store:99999"', "agency.toml:4:1: uplink.store_url: should be https://"),
        ("[uplink]\nmax_kb_s = 15", "agency.toml:4:1: uplink.max_kb_s: "),
        ('[uplink]\nmetered_interfaces = ["a/b"]', "agency.toml:4:1: uplink.metered_interfaces"),
        ('[uplink]\nmetered = "some"', "agency.toml:4:1: uplink.metered: "),
        ('[uplink]\nstore_url = "https://[store"', "agency.toml:4:1: uplink.store_url: should be https://"),
        ("[capture]\npre_event_s = 120", "agency.toml:4:1: warning: capture.pre_event_s: cam0: 120 s of pre-roll need"),
        (
            "[watermark]\nmargin_px = 200\n[cameras.cam0]\nwidth = 160",
            "agency.toml:4:1: watermark.margin_px: the watermark",
        ),
        ("[storage]\nreserve_mb = 4096", "agency.toml:4:1: warning: storage.reserve_mb: release_below_free_mb is not"),
    ],
)
def test_rules_between_settings(defaults: Layer, text: str, expected: str) -> None:
    assert [line[: len(expected)] for line in lines(defaults, text)] == [expected], lines(defaults, text)


@pytest.mark.parametrize(
    ("run_dir", "cameras", "length"),
    [
        ("/" + "r" * 88, (), 107),
        ("/" + "r" * 89, (), 108),
        ("/" + "r" * 80, ("a-camera-in-the-rear",), 115),
        ("/" + "记" * 30, (), 109),
    ],
)
def test_a_socket_path_has_107_bytes_at_most(
    defaults: Layer, run_dir: str, cameras: tuple[str, ...], length: int
) -> None:
    text = f'[storage]\nrun_dir = "{run_dir}"\n' + "".join(
        f"[cameras.{name}]\nwidth = 640\nheight = 360\nframe_rate = 25\nbitrate_kbps = 2000\n" for name in cameras
    )
    said = [line for line in lines(defaults, text) if "socket" in line]
    if length <= 107:
        assert said == []
        return
    (line,) = said
    assert line.startswith("agency.toml:4:1: storage.run_dir: the socket path /") and f"has {length} bytes" in line
    (zh,) = (line for line in lines(defaults, text, "zh") if "套接字" in line)
    assert zh.startswith("agency.toml:4:1: storage.run_dir: 套接字路径") and f"有 {length} 字节" in zh


@pytest.mark.parametrize("length", [107, 108])
def test_the_kernel_draws_the_same_line(length: int, tmp_path: Path) -> None:
    name = "s" * (length - len(os.fsencode(tmp_path)) - 1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
        if length <= SOCKET_PATH_BYTES:
            one.bind(str(tmp_path / name))
        else:
            with pytest.raises(OSError, match="too long"):
                one.bind(str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "distinct"),
    [(f'["{KEY_A}"]', 1), (f'["{KEY_A}", "{KEY_A}"]', 1), ("[]", 0), (f'["{KEY_A}", "{KEY_B}"]', 2)],
)
def test_sealing_needs_two_different_keys(defaults: Layer, text: str, distinct: int) -> None:
    outcome = validate([defaults, layer_of(f"[sealing]\nrecipients = {text}")])
    assert [problem.key for problem in outcome.errors] == ["sealing.recipients"] * (distinct < 2)
    assert outcome.blocking == ()
    off = validate([defaults, layer_of("[sealing]\nenabled = false")])
    assert off.problems == ()


def test_no_camera_is_an_error(defaults: Layer) -> None:
    outcome = validate([defaults.without(("cameras", "cam0")), layer_of(SEALED)])
    assert [problem.key for problem in outcome.blocking] == ["cameras"]


def test_chinese_says_the_same(defaults: Layer) -> None:
    assert lines(defaults, "[capture]\nsegmnt_s = 30\ngop_s = 9", "zh") == [
        "agency.toml:5:1: capture.gop_s: 不得大于 4（现为 9）",
        "agency.toml:4:1: capture.segmnt_s: 未知的配置项，是否应为 'segment_s'？",
    ]


def test_skipped_paths_silence_the_rules_that_touch_them(defaults: Layer) -> None:
    layers = [defaults, layer_of(SEALED + "[night]\non_below_lux = 99")]
    assert len(validate(layers).problems) == 1
    assert validate(layers, skip=[("night", "on_below_lux")]).problems == ()
    assert validate(layers, skip=[("night",)]).problems == ()


JUNK = st.one_of(
    st.integers(),
    st.integers(10**30, 10**40),
    st.floats(),
    st.text(max_size=5),
    st.booleans(),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def all_paths(node: Any, base: KeyPath = ()) -> list[KeyPath]:
    found: list[KeyPath] = [base] if base else []
    for key, value in node.items() if isinstance(node, dict) else ():
        found += all_paths(value, (*base, key))
    return found


SHIPPED = read_layer(defaults_file(), "defaults")
assert isinstance(SHIPPED, Layer)
PATHS = all_paths(SHIPPED.data)


@given(st.dictionaries(st.sampled_from(PATHS), JUNK, min_size=1, max_size=4))
def test_junk_anywhere_is_explained_in_both_languages_and_placed(junk: dict[KeyPath, Any]) -> None:
    assert isinstance(SHIPPED, Layer)
    data: dict[str, Any] = {}
    for path, value in junk.items():
        node = data
        for part in path[:-1]:
            inner = node.setdefault(str(part), {})
            if not isinstance(inner, dict):
                break
            node = inner
        else:
            node[str(path[-1])] = value
    layers = [SHIPPED, Layer("junk", "file", Parsed(data, {}))]
    outcome = validate(layers)
    assert outcome.blocking or outcome.config is not None
    for problem in outcome.problems:
        assert problem.place.source in ("junk", SHIPPED.name)
        assert re.search("[一-鿿]", problem.zh), problem
        assert not re.search("[一-鿿]", problem.en.split("(got")[0]), problem
        assert not re.search(r"\{[a-z_]*\}", problem.zh.split("（现为")[0]), problem  # a name nobody filled in
        assert "不合要求" not in problem.zh, problem  # every kind of error has its own words
    for path in (*outcome.offending, *outcome.suspect):
        lookup(merge(layers).data, path)


def test_only_known_kinds_count_as_known() -> None:
    assert known("missing")
    assert not known("frozen_set_type")


def test_keys_of_the_models() -> None:
    keys = set(fields())
    assert ("cameras", "*", "width") in keys
    assert ("controls", "start", "button") in keys
    assert ("indicators", "*", "tone_hz") in keys
    assert {path[0] for path in keys} == set(RecorderConfig.model_fields)
    assert annotation_at(("cameras", "any", "width")) is int
    assert annotation_at(("cameras", "any", "colour")) is None
    assert annotation_at(("device", "id", "x")) is None
    assert is_text(("device", "language"))
    assert is_text(("sealing", "recipients", 0))
    assert is_text(("board", "options", "anything"))
    assert not is_text(("capture", "gop_s"))
    assert suggestion(("watermark", "margin")) == "margin_px"
    assert suggestion(("enabled",)) is None  # in many sections: any suggestion would be a guess


def patterns(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
        return own.union(*map(patterns, node.values()))
    return set().union(*map(patterns, node)) if isinstance(node, list) else set()


def test_no_setting_is_explained_by_a_regular_expression() -> None:
    found = patterns(RecorderConfig.model_json_schema()) | patterns(BoardDevices.model_json_schema())
    assert len(found) >= 10
    assert {pattern for pattern in found if not has_words(pattern)} == set()
