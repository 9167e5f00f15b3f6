"""Slots from measured rates: found from any start, not run away with, bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recorder.fleet.gauge import SlotGauge, SlotLimits, slot_limits


def settle(gauge: SlotGauge, store: float, unit: float, windows: int = 60) -> int:
    """A store that takes ``store`` bytes per second from units that can each give ``unit``."""
    for _ in range(windows):
        each = min(unit, store / gauge.slots)
        gauge.window(10.0, {f"u{n}": round(each * 10) for n in range(gauge.slots)}, float(gauge.slots))
    return gauge.slots


@given(st.integers(5, 150), st.integers(4, 400))
def test_the_slots_fill_the_store_from_any_start_and_no_more(quotient: int, start: int) -> None:
    """A start above what the store takes cannot know what a unit unhindered gives; below it finds the quotient."""
    gauge = SlotGauge(SlotLimits(least=4, start=min(start, quotient), most=1000))
    slots = settle(gauge, store=quotient * 1e6, unit=1e6)
    assert quotient <= slots <= quotient * 1.3 + 2


def test_slots_do_not_run_away_while_units_hinder_each_other_for_hours() -> None:
    gauge = SlotGauge(SlotLimits(start=16))
    first = settle(gauge, 1250e6, 12e6)
    assert settle(gauge, 1250e6, 12e6, windows=1000) == first


def test_idle_windows_do_not_shrink_what_was_measured() -> None:
    gauge = SlotGauge(SlotLimits(start=16))
    before = settle(gauge, 1250e6, 12e6)
    for _ in range(100):
        gauge.window(10.0, {"u0": 10_000_000}, 1.0)
    assert gauge.slots == before


def test_a_store_that_became_slower_gets_fewer() -> None:
    gauge = SlotGauge(SlotLimits(start=16))
    before = settle(gauge, 1250e6, 12e6)
    assert settle(gauge, 300e6, 12e6) < before / 2


def test_bounds_hold_and_nothing_is_concluded_from_nothing() -> None:
    gauge = SlotGauge(SlotLimits(least=5, start=8, most=20))
    assert gauge.window(10.0, {}, 8.0) == 8
    assert gauge.window(0.0, {"u": 5}, 8.0) == 8
    assert gauge.store_rate is None
    assert settle(gauge, 1e9, 1e6) == 20
    assert settle(gauge, 1e3, 1e6) == 5


def test_who_asks_for_one_slot_gets_one_and_the_usual_floor_otherwise() -> None:
    assert (slot_limits(1).start, slot_limits(1).least) == (1, 1)
    assert slot_limits(64) == SlotLimits(start=64)
