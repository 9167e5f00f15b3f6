"""The pushed layer is read once, however often it is asked for."""

from __future__ import annotations

from pathlib import Path

from recorder.config.layers import Layer, LayerKind, parse_layer
from recorder.config.load import Loaded, load_config
from recorder.config.problems import Problem
from recorder.config.pushed import Push
from recorder.evidence.encoding import sha256_b64u
from recorder.unit.wanted_layer import WantedLayer


class Counted:
    def __init__(self) -> None:
        self.texts: list[bytes] = []

    def __call__(self, name: str, raw: bytes, kind: LayerKind) -> Layer | Problem:
        self.texts.append(raw)
        return parse_layer(name, raw, kind)


def push(version: int, toml: str) -> Push:
    return Push(version=version, jti=str(version), digest=sha256_b64u(toml.encode()), toml=toml)


def loaded(data_dir: Path, toml: str) -> Loaded:
    return load_config([], {}, data_dir, pushed_text=toml.encode())


def test_each_text_is_read_once(tmp_path: Path) -> None:
    parse = Counted()
    wanted, one, two = WantedLayer(parse), push(1, "[night]\ndwell_s = 9\n"), push(2, "[night]\ndwell_s = 3\n")
    with_one = loaded(tmp_path, one.toml)
    for _ in range(50):
        assert wanted.is_in(with_one, one) and wanted.data(one) == {"night": {"dwell_s": 9}}
    assert len(parse.texts) == 1
    assert not wanted.is_in(with_one, two) and wanted.is_in(loaded(tmp_path, two.toml), two)
    assert not wanted.is_in(with_one, None) and wanted.data(None) == {} and not wanted.is_in(None, two)
    assert [text.decode() for text in parse.texts] == [one.toml, two.toml, two.toml]


def test_what_the_check_has_read_is_not_read_again(tmp_path: Path) -> None:
    parse = Counted()
    wanted, one = WantedLayer(parse), push(1, "[night]\ndwell_s = 9\n")
    with_one = loaded(tmp_path, one.toml)
    wanted.known(one, with_one)
    assert wanted.is_in(with_one, one) and wanted.data(one) == {"night": {"dwell_s": 9}} and parse.texts == []
