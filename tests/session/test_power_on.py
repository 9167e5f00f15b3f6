"""After power on: ready, or which part is not, once, and never beside a recording."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.faults.catalogue import CATALOGUE
from recorder.session.power_on import PARTS, PATIENCE_US, SETTLE_US, Part, PowerOn
from tools.render_prompts import load_catalogue

SECOND = 1_000_000
START = 7 * SECOND

ELSEWHERE = frozenset(
    {"lens-covered", "lens-blurred", "gnss-lost", "gnss-stale", "gnss-implausible", "clock-stepped", "clock-drifting"}
    | {"battery-low", "battery-critical", "over-temperature", "throttled", "power-loss", "process-crash", "no-officer"}
    | {"deadline-near", "deadline-at-risk", "deadline-missed", "storage-low", "buffer-overflow", "media-lost"}
)
"""Of the surroundings, of an earlier time, or of a recording: no fault of a part that a start can find."""


def told(
    power_on: PowerOn,
    seconds: float,
    *,
    faults: frozenset[str] = frozenset(),
    ready: bool = True,
    recording: bool = False,
) -> list[tuple[int, tuple[Part, ...]]]:
    """Looks each 0.1 s for so long; what was said and when."""
    said = []
    for now in range(START, START + round(seconds * SECOND), SECOND // 10):
        parts = power_on.look(now, recording=recording, cameras_ready=ready, faults=faults)
        if parts is not None:
            said.append((now - START, parts))
    return said


def test_a_unit_that_is_well_says_so_once() -> None:
    assert told(PowerOn(), 60) == [(SETTLE_US, ())]


def test_what_is_wrong_is_said_when_it_had_time_to_mend_itself() -> None:
    faults = frozenset({"microphone-unplugged", "clock-not-set", "gnss-lost"})
    assert told(PowerOn(), 60, faults=faults) == [(PATIENCE_US, ("microphone", "clock"))]
    assert told(PowerOn(), 60, ready=False) == [(PATIENCE_US, ("camera",))]


def test_what_mends_itself_is_not_said() -> None:
    power_on = PowerOn()
    for now in range(START, START + 9 * SECOND, SECOND):
        assert power_on.look(now, recording=False, cameras_ready=False, faults={"worker-late"}) is None
    assert power_on.look(START + 9 * SECOND, recording=False, cameras_ready=True, faults=()) == ()


@given(st.lists(st.tuples(st.integers(1, 8 * SECOND), st.booleans(), st.sets(st.sampled_from(sorted(CATALOGUE))))))
def test_nothing_is_said_once_a_recording_has_begun_and_never_twice(looks: list[tuple[int, bool, set[str]]]) -> None:
    power_on, now, recorded, said = PowerOn(), START, False, 0
    for after, recording, faults in looks:
        now += after
        recorded = recorded or recording
        parts = power_on.look(now, recording=recording, cameras_ready=True, faults=faults)
        said += parts is not None
        assert said <= 1 and (parts is None or not recorded)


def test_every_fault_is_of_one_part_or_knowingly_of_none() -> None:
    codes = [code for of_part in PARTS.values() for code in of_part]
    assert len(codes) == len(set(codes))
    assert set(codes) | ELSEWHERE == set(CATALOGUE) and not set(codes) & ELSEWHERE


def test_every_part_has_its_words() -> None:
    assert set(load_catalogue().choices["self-test"]) == set(PARTS)
