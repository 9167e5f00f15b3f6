"""The plan of a run: pure, by seed, never without what a run is to show."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from hw_sim.fleet_run.plan import TIGHT_SHARE, FleetPlan, fault_plans, unit_plans

PLANS = st.builds(
    FleetPlan, units=st.integers(1, 300), seed=st.integers(0, 1000), segments=st.integers(1, 8), faults=st.just(True)
)
KINDS = {"kill-ingest", "kill-broker", "kill-unit", "stall-line", "reset-line"}


@given(PLANS)
def test_every_unit_docks_in_order_within_the_time_and_somebody_has_marked_evidence(plan: FleetPlan) -> None:
    units = unit_plans(plan)
    docks = [unit.docks_s for unit in units]
    assert len({unit.unit_id for unit in units}) == plan.units
    assert docks == sorted(docks)
    assert 0 <= docks[0] <= docks[-1] <= plan.dock_over_s
    assert any(unit.marked for unit in units)
    assert all(0 <= number < plan.segments for unit in units for number in unit.marked)
    tight = [unit for unit in units if unit.due_s is not None]
    assert len(tight) == math.ceil(plan.units * TIGHT_SHARE)
    assert all(unit.due_s is not None and unit.due_s - unit.docks_s >= 119.9 for unit in tight)


@given(PLANS)
def test_every_kind_of_fault_happens_in_the_order_of_time(plan: FleetPlan) -> None:
    faults = fault_plans(plan)
    assert {fault.kind for fault in faults} == KINDS
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert all(0 <= fault.pick < 1 and fault.for_s >= 0 for fault in faults)
    assert Counter(fault.kind for fault in faults)["kill-unit"] == max(1, plan.units // 20)


@given(PLANS)
def test_the_same_seed_is_the_same_plan(plan: FleetPlan) -> None:
    assert unit_plans(plan) == unit_plans(plan)
    assert fault_plans(plan) == fault_plans(plan)


def test_another_seed_is_another_plan_and_faults_can_be_left_out() -> None:
    assert unit_plans(FleetPlan(seed=1)) != unit_plans(FleetPlan(seed=2))
    assert fault_plans(FleetPlan(seed=1)) != fault_plans(FleetPlan(seed=2))
    assert fault_plans(FleetPlan(faults=False)) == []
