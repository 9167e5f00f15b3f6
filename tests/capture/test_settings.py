"""The worker's settings are the configuration's values under the configuration's names."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recorder.capture.settings import SettingsError, WorkerSettings, worker_settings
from recorder.config.load import canonical
from recorder.config.models import RecorderConfig

DEFAULTS = Path(__file__).parents[2] / "config" / "defaults.toml"


def config() -> RecorderConfig:
    return RecorderConfig.model_validate(tomllib.loads(DEFAULTS.read_text(encoding="utf-8")))


def told(settings: object, source: Any) -> Any:
    """``source`` cut down to the keys ``settings`` has."""
    if isinstance(settings, dict):
        return {
            key: told(value, source[key]) if isinstance(value, dict) else source[key] for key, value in settings.items()
        }
    return source


def test_every_value_is_the_configurations_own() -> None:
    settings = msgspec.json.decode(msgspec.json.encode(worker_settings(canonical(config()))))
    assert settings == told(settings, config().model_dump(mode="json"))
    assert set(settings) == set(WorkerSettings.__struct_fields__)


@pytest.mark.parametrize("section", WorkerSettings.__struct_fields__)
def test_a_missing_section_is_named(section: str) -> None:
    table = json.loads(canonical(config()))
    del table[section]
    with pytest.raises(SettingsError, match=section):
        worker_settings(json.dumps(table).encode())


def test_a_wrong_type_is_named() -> None:
    table = json.loads(canonical(config()))
    table["capture"]["segment_s"] = "long"
    with pytest.raises(SettingsError, match=r"capture\.segment_s"):
        worker_settings(json.dumps(table).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b"{"])
def test_what_is_no_configuration_is_refused(text: bytes) -> None:
    with pytest.raises(SettingsError):
        worker_settings(text)
