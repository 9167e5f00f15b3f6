"""Healthy long enough, or what broke: a configuration is judged by what a configuration can break."""

from __future__ import annotations

from collections.abc import Collection

from hypothesis import given
from hypothesis import strategies as st

from recorder.config.probation import OWN_FAULTS, Limits, Probation, Verdict
from recorder.config.pushed import Why
from recorder.faults.catalogue import CATALOGUE

S = 1_000_000
LIMITS = Limits(probation_us=120 * S, unready_us=45 * S, worker_failures=3, faults=5)


class Trial:
    def __init__(self, *expected: str) -> None:
        self.probation = Probation(LIMITS, expected, {"cam0": 4})

    def at(
        self,
        seconds: float,
        *,
        whole: bool = True,
        ready: Collection[str] = ("cam0",),
        unplugged: Collection[str] = (),
        launches: int = 4,
    ) -> Verdict:
        return self.probation.look(
            round(seconds * S), whole=whole, ready=ready, unplugged=unplugged, launches={"cam0": launches}
        )


def code(verdict: Verdict) -> str:
    assert isinstance(verdict, Why), verdict
    return verdict.code


def test_healthy_for_the_whole_time_it_is_proven() -> None:
    trial = Trial("cam0")
    assert trial.at(1) is None and trial.at(100, launches=5) is None
    assert trial.at(120.9) is None
    assert trial.at(121) == "proven"


def test_time_counts_from_when_all_of_it_is_in_force() -> None:
    trial = Trial("cam0")
    assert trial.at(1, whole=False) is None and trial.at(500, whole=False) is None
    assert trial.at(501) is None and trial.at(620) is None and trial.at(621) == "proven"


def test_a_camera_that_delivered_before_and_does_not_now() -> None:
    trial = Trial("cam0")
    assert trial.at(1, ready=()) is None and trial.at(45, ready=()) is None
    assert trial.at(45.5) is None, "it came back"
    assert trial.at(46, ready=()) is None
    assert code(trial.at(91, ready=())) == "camera-silent"


def test_a_camera_that_never_delivered_or_is_pulled_out_is_nobodys_fault() -> None:
    assert Trial().at(1, ready=()) is None
    without = Trial()
    assert without.at(1, ready=()) is None and without.at(200, ready=()) is None, "neither condemned nor proven"
    assert without.at(300, ready=(), unplugged=("cam0",)) is None and without.at(301) == "proven"
    pulled = Trial("cam0")
    assert pulled.at(1, ready=(), unplugged=("cam0",)) is None
    assert pulled.at(500, ready=(), unplugged=("cam0",)) is None, "neither condemned nor proven"


def test_a_worker_in_a_loop_of_starts() -> None:
    trial = Trial("cam0")
    assert trial.at(1, launches=5) is None, "the planned one"
    assert trial.at(2, launches=7) is None
    assert code(trial.at(3, launches=8)) == "worker-restarts"


def test_a_burst_of_faults_of_the_units_own() -> None:
    trial = Trial("cam0")
    for _ in range(50):
        trial.probation.fault("gnss-lost")
        trial.probation.fault("lens-covered")
    for _ in range(4):
        trial.probation.fault("duty-fault")
    assert trial.at(1) is None
    trial.probation.fault("worker-crash")
    assert code(trial.at(2)) == "faults"
    assert set(CATALOGUE) >= OWN_FAULTS, "codes that exist"


def test_a_full_card_is_enough() -> None:
    trial = Trial("cam0")
    assert trial.at(1) is None
    trial.probation.fault("storage-full")
    assert code(trial.at(2)) == "storage-full" and "storage-full" in CATALOGUE


@given(st.lists(st.tuples(st.floats(0.1, 30), st.booleans(), st.integers(0, 2)), max_size=40))
def test_it_is_proven_only_after_the_whole_time_in_force(steps: list[tuple[float, bool, int]]) -> None:
    trial = Trial("cam0")
    now, launches, unbroken = 1.0, 4, 0.0
    whole_before = False
    for seconds, whole, more in steps:
        now, launches = now + seconds, launches + more
        unbroken = unbroken + seconds if whole and whole_before else 0.0
        whole_before = whole
        verdict = trial.at(now, whole=whole, launches=launches)
        if verdict == "proven":
            assert unbroken >= 119.999
        if verdict is not None:
            return
