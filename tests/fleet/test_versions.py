"""The next version of each unit: what an honest unit takes, whatever a captured one reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.config import pushed
from recorder.config.pushed import Push, PushedState
from recorder.evidence.config_order import MAX_LEAP, MAX_VERSION
from recorder.fleet.settings import FleetError
from recorder.fleet.store import view
from recorder.fleet.versions import RESERVED, newest_reported, next_version
from tests.contract.wire import problems

VERSIONS = st.one_of(st.integers(0, 50), st.integers(0, MAX_VERSION))


@given(sent=VERSIONS, reported=st.one_of(st.none(), st.integers(0, 1 << 70)))
def test_it_stays_near_what_was_sent_and_within_what_can_be_signed(sent: int, reported: int | None) -> None:
    try:
        found = next_version("u", sent, reported)
    except FleetError as error:
        assert max(sent, reported or 0) > MAX_VERSION - RESERVED - MAX_LEAP and "u" in error.zh and "u" in error.en
        return
    assert 1 <= found.version <= sent + MAX_LEAP + 1 and found.version + 1 <= MAX_VERSION


@given(sent=st.integers(0, MAX_VERSION - RESERVED), highest=st.integers(0, MAX_VERSION // 2))
def test_an_honest_unit_takes_it(sent: int, highest: int) -> None:
    """Unless it is far above what was ever sent from here: then nobody here can tell it from a captured one."""
    found = next_version("u", sent, highest)
    push = Push(version=found.version, jti="j", digest="A" * 43, toml="")
    refused = pushed.not_considered(PushedState(highest=highest), push)
    assert refused is None or found.doubt == "too-high"
    assert (found.doubt == "too-high") == (highest > sent + MAX_LEAP)


@pytest.mark.parametrize(
    ("sent", "reported", "version", "doubt"),
    [
        (0, None, 1, None),
        (7, None, 8, None),
        (7, 3, 8, None),
        (3, 7, 8, None),
        (3, MAX_VERSION - 2, 4, "too-high"),
        (3, 1 << 53, 4, "too-high"),
        (3 * MAX_LEAP, 5, 6, "too-low"),
    ],
)
def test_cases(sent: int, reported: int | None, version: int, doubt: str | None) -> None:
    found = next_version("u", sent, reported)
    assert (found.version, found.doubt) == (version, doubt)


def test_none_left_is_said_and_no_traceback() -> None:
    with pytest.raises(FleetError, match="zfy-1"):
        next_version("zfy-1", MAX_VERSION - 1, None)


def test_a_refused_leap_does_not_count_as_known() -> None:
    def reported(code: str) -> dict[str, Any]:
        rejected = {"version": 9, "code": code}
        return {"reported": {"version": 2, "layer": {"version": 1}, "rejected": rejected}}

    assert newest_reported(reported("desired-leap")) == 2
    assert newest_reported(reported("desired-replayed")) == 9
    assert newest_reported({}) is None


@pytest.mark.parametrize("rubbish", ["9", 1.5, True, None, -1, [], {}])
def test_rubbish_in_a_report_is_no_version(rubbish: object) -> None:
    reported = {"version": rubbish, "layer": rubbish, "rejected": {"version": rubbish, "code": "desired-replayed"}}
    assert newest_reported({"reported": reported}) == 0
    seen = view({"reported": reported})
    assert (seen.version, seen.layer, seen.rejected) == (0, 0, None)


@pytest.mark.parametrize(("version", "fits"), [(MAX_VERSION, True), (MAX_VERSION + 1, False)])
def test_the_schema_has_the_same_maximum(version: int, fits: bool) -> None:
    body = {
        "msg_id": "m",
        "sent_at": 1.5,
        "version": version,
        "digest": None,
        "state": "none",
        "probation": False,
        "errors": [],
        "why": None,
        "rejected": None,
        "layer": {"version": 0, "digest": None, "in_force": True},
        "waiting": [],
        "covered": [],
        "effective": "A" * 43,
        "groups": [],
    }
    assert (problems("fleet/v1/u/up/reported", json.dumps(body).encode()) == []) is fits
