"""The board's watchdog over whole shifts: it resets what records nothing any more, and never a unit that records."""

from __future__ import annotations

from dataclasses import replace

from hw_sim.deterministic.judge import run_seed
from hw_sim.deterministic.plan import Plan, Trouble
from hw_sim.deterministic.shift import Bugs
from hw_sim.deterministic.timeline import SECOND
from hw_sim.deterministic.unit import Making
from recorder.session.vitality import Vitality
from recorder.unit.duties import DUTIES
from recorder.unit.duties.board_watchdog import BoardWatchdog
from recorder.unit.duty import DutyFactory, UnitServices

SEED = 7001


def frozen(plan: Plan) -> Plan:
    """Four minutes with one camera, which freezes after two of them, restarts or not, for 45 seconds."""
    trouble = Trouble(120 * SECOND, "camera-frozen", 45 * SECOND, 0.5)
    return replace(
        plan,
        duration_us=240 * SECOND,
        cameras=("cam0",),
        troubles=(trouble,),
        real_signer=False,
        sealed=True,
        tampers=False,
        impatient_watchdog=True,
    )


def calm(plan: Plan) -> Plan:
    return replace(frozen(plan), troubles=())


def test_a_camera_no_restart_helps_brings_one_reset_and_breaks_no_promise() -> None:
    outcome = run_seed(SEED, change=frozen)
    assert outcome.violations == ()
    assert outcome.counts.get("watchdog-reset") == 1, "35 s after the last frame: 20 s of patience, 15 s of the timer"


class Morose(Vitality):
    """Finds nothing alive."""

    def alive(self, now_us: int, present: object) -> bool:
        return now_us < 60 * SECOND


class MoroseWatchdog(BoardWatchdog):
    def __init__(self, services: UnitServices) -> None:
        super().__init__(services)
        self._vitality.__class__ = Morose


def test_a_unit_that_records_and_is_reset_all_the_same_is_noticed() -> None:
    duties: tuple[DutyFactory, ...] = tuple(MoroseWatchdog if duty is BoardWatchdog else duty for duty in DUTIES)
    outcome = run_seed(SEED, change=calm, bugs=Bugs(Making(duties=duties)))
    assert any("the watchdog reset a unit that recorded" in violation.text for violation in outcome.violations)
    outcome = run_seed(SEED, change=calm)
    assert outcome.violations == () and "watchdog-reset" not in outcome.counts
