"""Whatever the sensors say, faults begin and end in turns, and their evidence is JSON a journal can hold."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.config.load import load_config
from recorder.faults.battery import BatteryWatch
from recorder.faults.gnss import GnssReading, GnssWatch
from recorder.faults.latch import Change
from recorder.faults.latency import SlowStorage
from recorder.faults.lens import LensWatch, LumaStatistics
from recorder.faults.space import SpaceWatch
from recorder.faults.thermal import ThermalWatch
from recorder.faults.wall_clock import ClockHealth

FAULTS = load_config([], {}).config.faults
MOST = 40
steps = st.integers(1, 20_000_000)
maybe = st.one_of(st.none(), st.floats(-300, 300))


def judge(changes: Iterable[tuple[int, Change]]) -> None:
    present: dict[str, bool] = defaultdict(bool)
    for now_us, change in changes:
        assert change.present != present[change.code], "onset and end take turns"
        present[change.code] = change.present
        text = json.dumps(change.evidence, allow_nan=False)
        assert len(text) < 4096, "evidence is a few lines, not a log"
        assert change.evidence["from_us"] <= now_us


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(steps, maybe, st.one_of(st.none(), st.floats(0, 5)), st.one_of(st.none(), st.booleans())),
        max_size=MOST,
    )
)
def test_battery(readings: list[tuple[int, float | None, float | None, bool | None]]) -> None:
    watch, now, seen = BatteryWatch(FAULTS.battery), 0, []
    for step, percent, voltage, external in readings:
        now += step
        seen += [(now, change) for change in watch.look(now, percent, voltage, external)]
        assert watch.forecast is None or watch.forecast.minutes >= 0
    judge(seen)


@given(
    st.lists(
        st.tuples(steps, maybe, st.one_of(st.none(), st.frozensets(st.sampled_from(["throttled", "x"])))), max_size=MOST
    )
)
def test_heat(readings: list[tuple[int, float | None, frozenset[str] | None]]) -> None:
    watch, now, seen = ThermalWatch(80, 75), 0, []
    for step, celsius, reasons in readings:
        now += step
        seen += [(now, change) for change in watch.look(now, celsius, reasons)]
    judge(seen)


@given(st.lists(st.tuples(steps, st.one_of(st.none(), st.integers(0, 10**13)), st.floats(0, 1e8)), max_size=MOST))
def test_room(readings: list[tuple[int, int | None, float]]) -> None:
    watch, now, seen = SpaceWatch(low_minutes=60, very_low_minutes=30, reserve_bytes=1 << 26), 0, []
    for step, free, rate in readings:
        now += step
        seen += [(now, change) for change in watch.look(now, free, rate)]
    judge(seen)


@given(st.lists(st.tuples(steps, st.integers(-(10**15), 10**16)), max_size=MOST), st.booleans())
def test_clock(readings: list[tuple[int, int]], is_set: bool) -> None:
    health, now, seen = ClockHealth(step_us=250_000, drift_ppm=300, drift_window_us=60_000_000), 0, []
    for step, wall in readings:
        now += step
        seen += [(now, change) for change in health.look(now, wall, is_set=is_set, source="ntp")]
    judge(seen)


@given(st.lists(st.tuples(steps, st.booleans(), st.integers(0, 2), st.integers(0, 2), st.booleans()), max_size=MOST))
def test_position(readings: list[tuple[int, bool, int, int, bool]]) -> None:
    watch = GnssWatch(lost_after_us=300_000, stale_us=2_000_000, implausible_clear_us=2_500_000)
    now, no_fix, implausible, fix_us, seen = 0, 0, 0, None, []
    for step, failed, blind, refused, fixed in readings:
        now, no_fix, implausible = now + step, no_fix + blind, implausible + refused
        fix_us = now if fixed else fix_us
        reading = GnssReading("gone" if failed else None, None, no_fix, implausible, 0, 0, fix_us, {"quality": 1})
        seen += [(now, change) for change in watch.look(now, reading)]
    judge(seen)


@given(st.lists(st.tuples(steps, st.lists(st.integers(0, 10**8), max_size=3), st.booleans()), max_size=MOST))
def test_card(readings: list[tuple[int, list[int], bool]]) -> None:
    storage, now, seen = SlowStorage(FAULTS.storage), 0, []
    for step, done, hangs in readings:
        for duration in done:
            storage.done(duration)
        pending = now if hangs else None
        now += step
        change = storage.look(now, pending)
        seen += [] if change is None else [(now, change)]
    judge(seen)


@given(
    st.lists(
        st.tuples(
            st.integers(-1, 2_000_000),
            st.floats(0, 255),
            st.floats(0, 1),
            st.one_of(st.none(), st.floats(0, 4)),
            st.one_of(st.none(), st.floats(0, 1e5)),
        ),
        max_size=MOST,
    )
)
def test_lens(readings: list[tuple[int, float, float, float | None, float | None]]) -> None:
    watch, now, seen = LensWatch(FAULTS.lens), 0, []
    for step, mean, flat, sharpness, lux in readings:
        now += step
        light = None if lux is None else (now, lux)
        seen += [(now, change) for change in watch.look(LumaStatistics(now, mean, flat, sharpness), light)]
    judge(seen)
