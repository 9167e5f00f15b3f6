"""No update while it could cost evidence; what is not known keeps the gate closed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.update.gates import closed
from tests.update.kit import LIMITS, conditions, status


def codes(limits: Any = LIMITS, **changes: Any) -> list[str]:
    return [gate.code for gate in closed(conditions(**changes), limits)]


def test_a_unit_in_standby_that_owes_nothing_may_be_updated() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("changes", "gate"),
    [
        ({"fresh": False}, "unit-silent"),
        ({"recording": True}, "recording"),
        ({"recording": None}, "recording"),
        ({"session_id": "s"}, "recording"),
        ({"health_upload_overdue_sessions": 1}, "slack"),
        ({"health_upload_overdue_sessions": None}, "slack"),
        ({"health_upload_deadline_left_seconds": 12 * 3600 - 1}, "slack"),
        ({"health_upload_deadline_left_seconds": float("nan")}, "slack"),
        ({"health_upload_backlog_segments": 1}, "backlog"),
        ({"health_upload_backlog_segments": None}, "backlog"),
        ({"health_index_behind": True}, "backlog"),
        ({"health_external_power": False}, "battery"),
        ({"health_external_power": None, "health_battery_charge_ratio": 0.49}, "battery"),
        ({"free_bytes": 100_000_000}, "space"),
        ({"way_back": False}, "no-way-back"),
    ],
)
def test_each_of_these_closes_it(changes: dict[str, Any], gate: str) -> None:
    assert codes(**changes) == [gate]


def test_a_charged_battery_will_do_and_a_far_deadline_is_none() -> None:
    assert codes(health_external_power=False, health_battery_charge_ratio=0.5) == []
    assert codes(health_upload_deadline_left_seconds=12 * 3600) == []


@pytest.mark.parametrize(
    ("window", "minute", "is_open"),
    [
        ((60, 300), 60, True),
        ((60, 300), 300, False),
        ((1380, 120), 1400, True),
        ((1380, 120), 10, True),
        ((1380, 120), 600, False),
    ],
)
def test_the_hours_for_updates(window: tuple[int, int], minute: int, is_open: bool) -> None:
    limits = replace(LIMITS, window=window)
    assert codes(limits, minute=minute) == ([] if is_open else ["window"])
    assert codes(limits, minute=minute, clock_set=False) == ["window"], "an unset clock knows no hour"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


HEALTH = st.dictionaries(st.sampled_from([*sorted(status()["health"]), "upload_deadline_left_seconds"]), JSON)


@given(st.dictionaries(st.sampled_from(["recording", "session_id", "clock_set"]), JSON), JSON | HEALTH)
def test_a_unit_that_does_not_say_it_is_not_recording_is_taken_to_be(said: dict[str, Any], health: Any) -> None:
    found = [gate.code for gate in closed(replace(conditions(), status=said | {"health": health}), LIMITS)]
    if said.get("recording") is not False:
        assert "recording" in found
    if not isinstance(health, dict) or health.get("index_behind") is not False:
        assert "backlog" in found
