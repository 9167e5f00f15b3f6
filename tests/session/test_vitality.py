"""When a reset of the board is the only cure left, and never when it is not."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.session.vitality import NO_CURE, Vitality, VitalitySettings

SECOND = 1_000_000
RESET, UPTIME = 120 * SECOND, 600 * SECOND
LATER = 1000 * SECOND


def recording(until_s: int) -> Vitality:
    """One camera that recorded for so many seconds since power on."""
    vitality = Vitality(VitalitySettings(RESET, UPTIME))
    run(vitality, 0, until_s)
    return vitality


def run(
    vitality: Vitality, from_s: int, to_s: int, camera: str = "cam0", *, frames: bool = True, entries: bool = True
) -> None:
    for second in range(from_s, to_s):
        vitality.progress(
            camera,
            second * SECOND,
            frames=15 * ((second if frames else from_s) + 1),
            entries=2 * ((second if entries else from_s) + 1),
            wanted=True,
        )


def test_a_recorder_that_records_is_alive() -> None:
    assert recording(1000).alive(LATER, ())


@pytest.mark.parametrize(("frames", "entries"), [(False, True), (True, False), (False, False)])
def test_frames_and_entries_must_both_go_on(frames: bool, entries: bool) -> None:
    vitality = recording(1000)
    run(vitality, 1000, 1200, frames=frames, entries=entries)
    assert vitality.last_progress_us() == 1000 * SECOND, "the last at which both had"
    assert vitality.alive(1000 * SECOND + RESET, ()) and not vitality.alive(1000 * SECOND + RESET + 1, ())


def test_in_standby_frames_are_enough() -> None:
    vitality = recording(700)
    for second in range(700, 1200):
        vitality.progress("cam0", second * SECOND, frames=15 * second, entries=1402, wanted=False)
    assert vitality.alive(1200 * SECOND, ())


def test_one_camera_that_records_is_worth_more_than_one_that_hangs() -> None:
    vitality = recording(700)
    run(vitality, 0, 1400, camera="cam1")
    assert vitality.alive(1400 * SECOND, ())


def test_a_camera_that_was_never_there_is_not_brought_by_a_reset() -> None:
    vitality = Vitality(VitalitySettings(RESET, UPTIME))
    assert vitality.alive(10**12, ())
    vitality.progress("cam0", SECOND, frames=0, entries=0, wanted=False)
    assert vitality.alive(10**12, ()) and vitality.last_progress_us() is None


def test_restarts_that_help_count_and_those_that_do_not_do_not() -> None:
    vitality = recording(1000)
    for second in range(1000, 1200, 5):  # each new worker says hello, and delivers nothing
        vitality.progress("cam0", second * SECOND, frames=0, entries=0, wanted=False)
    assert not vitality.alive(1200 * SECOND, ())
    run(vitality, 1200, 1203)
    assert vitality.alive(1203 * SECOND, ())


def test_a_camera_that_shows_a_frame_after_each_restart_and_hangs_again_records_nothing() -> None:
    vitality = recording(1000)
    for second in range(1000, 1200, 5):
        vitality.restarted("cam0")
        for _ in range(3):
            vitality.progress("cam0", second * SECOND, frames=1 + second % 7, entries=0, wanted=True)
    assert not vitality.alive(1200 * SECOND, ())


def test_not_soon_after_power_on() -> None:
    vitality = recording(10)
    assert vitality.alive(UPTIME - 1, ()) and not vitality.alive(UPTIME, ())


def test_switched_off_it_never_says_no() -> None:
    vitality = Vitality(VitalitySettings(0, 0))
    run(vitality, 0, 10)
    assert vitality.alive(10**12, ())


@pytest.mark.parametrize("code", sorted(NO_CURE))
def test_what_a_reset_does_not_cure_excuses_and_the_time_runs_anew_after_it(code: str) -> None:
    vitality = recording(700)
    assert vitality.alive(LATER, (code, "gnss-lost"))
    assert vitality.alive(LATER + RESET, ()) and not vitality.alive(LATER + RESET + 1, ())


@dataclass(frozen=True)
class Report:
    camera: str
    frames: int
    entries: int
    wanted: bool


REPORTS = st.builds(Report, st.sampled_from(["cam0", "cam1"]), st.integers(0, 50), st.integers(0, 50), st.booleans())


@given(st.lists(st.tuples(st.integers(0, 200), REPORTS), max_size=30), st.integers(0, 2000))
def test_a_no_is_never_said_within_the_time_of_the_last_progress(steps: list[tuple[int, Report]], after_s: int) -> None:
    vitality, now = Vitality(VitalitySettings(RESET, UPTIME)), 0
    for wait_s, said in steps:
        now += wait_s * SECOND
        vitality.progress(said.camera, now, frames=said.frames, entries=said.entries, wanted=said.wanted)
    now += after_s * SECOND
    last = vitality.last_progress_us()
    if not vitality.alive(now, ()):
        assert last is not None and now - last > RESET and now >= UPTIME
    else:
        assert last is None or now - last <= RESET or now < UPTIME
