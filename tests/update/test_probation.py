"""Well with the new version for a while, or back."""

from __future__ import annotations

from typing import Any

import pytest

from recorder.update.manifest import Refused
from recorder.update.probation import BLAMED, MOST_BOOTS, UNPLUGGED, Before, Look, Trial, TrialLimits, Verdict, look_at
from tests.update.kit import NEW, OLD, status

LIMITS = TrialLimits(well_s=60, within_s=300)
BEFORE = Before(OLD, ("cam0",), ("gnss-lost",))


def see(trial: Trial, at_s: float, boot: str = "b", *, fresh: bool = True, **changes: Any) -> tuple[Trial, Verdict]:
    look = Look(boot, round(at_s * 1e6), fresh, status(**{"version": NEW, **changes}))
    return look_at(trial, look, BEFORE, NEW, LIMITS)


def test_a_minute_of_health_proves_it() -> None:
    trial, verdict = see(Trial(), 0)
    assert verdict == "wait"
    trial, verdict = see(trial, 59)
    assert verdict == "wait"
    assert see(trial, 60)[1] == "well"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"fresh": False}, "silent"),
        ({"version": OLD}, "version"),
        ({"cameras": {"cam0": {"ready": False}}}, "camera"),
        ({"cameras": "none"}, "camera"),
        ({"faults": ["worker-crash"]}, "fault"),
    ],
)
def test_one_that_is_not_well_in_time_goes_back(changes: dict[str, Any], code: str) -> None:
    trial, verdict = see(Trial(), 0, **changes)
    assert verdict == "wait", "a start takes its time"
    trial, verdict = see(trial, 299, **changes)
    assert verdict == "wait"
    _, verdict = see(trial, 300, **changes)
    assert isinstance(verdict, Refused) and verdict.code == code


def test_health_counts_from_the_last_trouble() -> None:
    trial, _ = see(Trial(), 0)
    trial, _ = see(trial, 50, faults=["camera-stall"])
    trial, verdict = see(trial, 70)
    assert verdict == "wait"
    assert see(trial, 130)[1] == "well"


def test_what_was_wrong_before_or_is_no_softwares_work_is_not_held_against_it() -> None:
    faults = ["gnss-lost", "battery-low", UNPLUGGED]
    trial, _ = see(Trial(), 0, faults=faults, cameras={})
    assert see(trial, 60, faults=faults, cameras={})[1] == "well"


def test_nothing_goes_back_while_a_recording_runs() -> None:
    trial, _ = see(Trial(), 0, faults=["worker-crash"])
    trial, verdict = see(trial, 1000, faults=["worker-crash"], recording=True)
    assert verdict == "wait"
    assert isinstance(see(trial, 1300, faults=["worker-crash"])[1], Refused)


def test_a_machine_that_keeps_starting_anew_goes_back_before_any_time_is_over() -> None:
    trial = Trial()
    for boot in range(MOST_BOOTS):
        trial, verdict = see(trial, 1, str(boot), fresh=False)
        assert verdict == "wait"
    _, verdict = see(trial, 1, "last", fresh=False)
    assert isinstance(verdict, Refused) and verdict.code == "boots"


def test_the_codes_that_count_exist() -> None:
    from recorder.faults.catalogue import CATALOGUE

    assert set(CATALOGUE) >= BLAMED | {UNPLUGGED}


def test_a_recording_does_not_use_up_the_time_a_version_has() -> None:
    """The package restarts the unit after it: until then the old version answers, and is not the new one's failure."""
    trial, _ = see(Trial(), 0, version=OLD, recording=True)
    trial, verdict = see(trial, 3600, version=OLD, recording=True)
    trial, verdict = see(trial, 3602, version=OLD)
    assert verdict == "wait"
    trial, verdict = see(trial, 3660)
    assert verdict == "wait" and see(trial, 3720)[1] == "well"
    _, verdict = see(see(trial, 3661, version=OLD)[0], 3900, version=OLD)
    assert isinstance(verdict, Refused) and verdict.code == "version"
