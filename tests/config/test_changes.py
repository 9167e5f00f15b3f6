"""Each change of the configuration has a moment; together the moments make the new configuration, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config.changes import AT_ONCE, WHEN_IDLE, Effect, changes, mixed, waiting
from recorder.config.load import load_config
from recorder.config.models import RecorderConfig

BASE = load_config([], {}, Path("/nonexistent")).config
ALL = frozenset[Effect]({"boundary", "elsewhere", "idle", "restart"})


def changed(**sections: dict[str, Any]) -> RecorderConfig:
    values = BASE.model_dump(mode="json")
    for name, table in sections.items():
        values[name] = merged(values[name], table)
    return RecorderConfig.model_validate(values)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    return below | {
        key: merged(below[key], value) if isinstance(value, dict) and key in below else value
        for key, value in above.items()
    }


@pytest.mark.parametrize(
    ("new", "name", "effect"),
    [
        (changed(capture={"segment_s": 30}), "capture.segment_s", "boundary"),
        (changed(capture={"gop_s": 2}), "capture.gop_s", "idle"),
        (changed(cameras={"cam0": {"bitrate_kbps": 4000}}), "cameras.cam0.bitrate_kbps", "idle"),
        (changed(cameras={"cam1": BASE.cameras["cam0"].model_dump()}), "cameras.cam1", "restart"),
        (changed(indicators={"standby": {"tone_hz": [440]}}), "indicators.standby.tone_hz", "boundary"),
        (changed(controls={"debounce_ms": 50}), "controls.debounce_ms", "restart"),
        (changed(controls={"double_window_s": 1}), "controls.double_window_s", "boundary"),
        (changed(faults={"storage": {"low_minutes": 30}}), "faults.storage.low_minutes", "boundary"),
        (changed(faults={"storage": {"slow_ms": 500}}), "faults.storage.slow_ms", "idle"),
        (changed(uplink={"store_url": "https://x"}), "uplink.store_url", "elsewhere"),
        (changed(supervision={"launcher": "systemd"}), "supervision.launcher", "restart"),
        (changed(device={"id": "zfy-9"}), "device.id", "restart"),
        (changed(interruption={"answer_s": 20}), "interruption.answer_s", "restart"),
    ],
)
def test_the_moment_of_a_change(new: RecorderConfig, name: str, effect: str) -> None:
    (change,) = changes(BASE, new)
    assert (change.name, change.effect) == (name, effect)
    assert (mixed(BASE, new, AT_ONCE) == new) is (effect in AT_ONCE)
    assert (mixed(BASE, new, WHEN_IDLE) == new) is (effect in WHEN_IDLE)


def test_a_camera_less() -> None:
    two = changed(cameras={"cam1": BASE.cameras["cam0"].model_dump()})
    (change,) = changes(two, BASE)
    assert (change.name, change.effect) == ("cameras.cam1", "restart")
    assert mixed(two, BASE, ALL) == BASE
    assert mixed(two, BASE, WHEN_IDLE) == two


def test_where_evidence_lies_and_who_is_trusted_never_changes_under_way() -> None:
    new = changed(storage={"data_dir": "/d", "run_dir": "/r"}, trust={"dir": "/t"}, device={"id": "zfy-1"})
    assert {change.effect for change in changes(BASE, new)} == {"restart"}


numbers = st.fixed_dictionaries(
    {
        "capture": st.fixed_dictionaries({"segment_s": st.integers(2, 60), "gop_s": st.sampled_from([1, 2])}),
        "device": st.fixed_dictionaries({"model": st.sampled_from(["generic", "b"])}),
        "night": st.fixed_dictionaries({"dwell_s": st.integers(0, 100)}),
        "mqtt": st.fixed_dictionaries({"host": st.sampled_from(["", "h"])}),
    }
)


@given(numbers)
def test_the_moments_together_make_the_new_one(sections: dict[str, dict[str, Any]]) -> None:
    new = changed(**sections)
    once = mixed(BASE, new, AT_ONCE)
    idle = mixed(once, new, WHEN_IDLE)
    assert not {change.effect for change in changes(once, new)} & AT_ONCE
    assert {change.effect for change in changes(idle, new)} <= {"restart"}
    assert mixed(idle, new, ALL) == new
    assert waiting(changes(BASE, new), ALL) == ()
    assert json.loads(new.model_dump_json()) == json.loads(mixed(BASE, new, ALL).model_dump_json())
