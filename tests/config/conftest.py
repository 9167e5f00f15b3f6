"""Layers and files for the configuration tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recorder.config.layers import Layer, parse_layer, read_layer
from recorder.config.paths import defaults_file
from recorder.config.problems import Problem

# Public keys made for these tests; the private halves were never kept.
KEY_A = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
KEY_B = "age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg"
SEALED = f'[sealing]\nrecipients = ["{KEY_A}", "{KEY_B}"]\n'


@pytest.fixture
def defaults() -> Layer:
    layer = read_layer(defaults_file(), "defaults")
    assert isinstance(layer, Layer)
    return layer


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file under ``tmp_path``, give its path."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def layer_of(text: str, name: str = "agency.toml") -> Layer:
    layer = parse_layer(name, text.encode("utf-8"))
    assert not isinstance(layer, Problem), layer
    return layer
